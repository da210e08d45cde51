//! What people rated: snippets, and pairs of words.

use crate::models::{Result, read};

/// From snippet to snippet of the draw: a prime, the thousandth, so that none is met twice and all are as likely.
const STEP: usize = 7919;

/// What people rated, from −4 to 4.
pub struct Snippet {
    pub score: f32,
    pub text: String,
}

/// Pairs of words, and how alike people found them (L. Finkelstein et al., 2001).
pub fn pairs() -> Result<Vec<(String, String, f64)>> {
    let text = String::from_utf8(read("wordsim/wordsim353.tsv")?)?;
    let pair = |line: &str| {
        let mut cells = line.split('\t').map(str::trim);
        Some((cells.next()?.to_owned(), cells.next()?.to_owned(), cells.next()?.parse().ok()?))
    };
    Ok(text.lines().filter(|l| !l.starts_with('#')).filter_map(pair).collect())
}

/// All snippets of all four sources, in turn.
pub fn snippets() -> Result<Vec<Snippet>> {
    let mut sources = vec![];
    for name in ["tweets", "movieReviewSnippets", "amazonReviewSnippets", "nytEditorialSnippets"] {
        let text = read(&format!("sentiment/hutto_ICWSM_2014/{name}_GroundTruth.txt"))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let snippet = |line: &str| {
            let mut cells = line.splitn(3, '\t').skip(1);
            Some(Snippet { score: cells.next()?.trim().parse().ok()?, text: cells.next()?.to_owned() })
        };
        sources.push(text.lines().filter_map(snippet).collect::<Vec<_>>().into_iter());
    }
    let mut all = vec![];
    loop {
        let before = all.len();
        all.extend(sources.iter_mut().filter_map(Iterator::next));
        if all.len() == before {
            return Ok(all);
        }
    }
}

/// So many of those that are not neutral.
pub fn drawn(all: &[Snippet], n: usize) -> Vec<&Snippet> {
    let rated: Vec<&Snippet> = all.iter().filter(|s| s.score != 0.0).collect();
    (0..rated.len().min(n)).map(|i| rated[i * STEP % rated.len()]).collect()
}
