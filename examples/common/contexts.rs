//! Where an example computes.

use quarter::{Context, Error};

/// The CPU backend and, if there is one, the GPU; a software adapter only if asked for. Says which they are.
pub async fn contexts(software: bool) -> Result<Vec<Context>, Error> {
    #[cfg(feature = "gpu")]
    let gpu = Context::builder().software(software).request().await;
    #[cfg(not(feature = "gpu"))]
    let gpu: Result<Context, Error> =
        Err(Error::NoAdapter(format!("built without the feature `gpu` (software: {software})")));
    let mut all = vec![Context::cpu()];
    match gpu {
        Ok(gpu) => all.push(gpu),
        Err(e @ (Error::NoAdapter(_) | Error::NoDevice(_))) => {
            println!("CPU only (`-- --software` takes a software adapter): {e}");
        }
        Err(e) => return Err(e),
    }
    all.iter().for_each(|ctx| println!("{:?}: {}", ctx.on(), ctx.name()));
    Ok(all)
}
