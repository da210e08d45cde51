//! Any text as a shader and as a library: composed or refused with a line that there is.

use arbitrary::{Result, Unstructured};
use quarter::shader::{Shader, compose};

const WORDS: [&str; 16] = [
    "#import ",
    "#ifdef ",
    "#ifndef ",
    "#else",
    "#endif",
    "\n",
    " ",
    "a.wgsl",
    "b.wgsl",
    "X",
    "x=y",
    "$x",
    "$",
    "é",
    "fn f() {}",
    "// ",
];

fn text(u: &mut Unstructured<'_>) -> Result<String> {
    let mut out = String::new();
    for _ in 0..u.int_in_range(0..=40)? {
        match u.ratio(1, 12)? {
            true => out.push(u.arbitrary()?),
            false => out.push_str(u.choose(&WORDS)?),
        }
    }
    Ok(out)
}

pub fn check(bytes: &[u8]) {
    let _ = run(&mut Unstructured::new(bytes));
}

fn run(u: &mut Unstructured<'_>) -> Result<()> {
    let texts = [text(u)?, text(u)?, text(u)?];
    // A shader's text is static, and so it stays.
    let [root, a, b]: [&'static str; 3] = texts.map(|t| &*t.leak());
    let library = [Shader { path: "a.wgsl", text: a }, Shader { path: "b.wgsl", text: b }];
    let defines: &[String] = if u.arbitrary()? { &["X".to_owned()] } else { &[] };
    match compose(Shader { path: "root.wgsl", text: root }, &library, defines) {
        Ok(c) => {
            for (n, line) in (1..).zip(c.text().lines()) {
                let (path, from) = c.locate(n).expect("every line comes from somewhere");
                let file = [("root.wgsl", root), ("a.wgsl", a), ("b.wgsl", b)];
                let text = file.iter().find(|f| f.0 == path).expect("a file there is").1;
                let origin = text.lines().nth(from as usize - 1).expect("a line there is");
                let origin = origin.trim_end_matches('\r');
                assert!(
                    line.trim_end_matches('\r') == origin || origin.contains('$'),
                    "{line:?} is not {origin:?}"
                );
            }
            let _ = c.explain(u.arbitrary()?);
        }
        Err(e) => {
            let text = [("root.wgsl", root), ("a.wgsl", a), ("b.wgsl", b)];
            let text = text.iter().find(|f| f.0 == e.path).expect("a file there is").1;
            assert!(e.line as usize <= text.lines().count().max(1), "{e}");
        }
    }
    Ok(())
}
