//! The preprocessor: `#import`, `#ifdef`, `#ifndef`, `#else`, `#endif`, and a line map.

use super::Shader;

/// A shader file that cannot be composed: a fault of the crate or of a foreign operation, never of its data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}:{line}: {what}")]
#[non_exhaustive]
pub struct ComposeError {
    /// File.
    pub path: String,
    /// Line in it, from 1.
    pub line: u32,
    /// What is wrong.
    pub what: String,
}

/// One text for the driver, and where each of its lines came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composed {
    text: String,
    origins: Vec<(&'static str, u32)>,
}

impl Composed {
    /// The WGSL.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// File and line that line `line` (from 1) of the text came from.
    pub fn locate(&self, line: u32) -> Option<(&'static str, u32)> {
        self.origins.get((line as usize).checked_sub(1)?).copied()
    }

    /// Rewrites every `wgsl:LINE:COLUMN` of a naga message to `file:LINE:COLUMN`, and its margin of line numbers.
    ///
    /// ```
    /// use quarter::shader::{Shader, compose};
    /// let bad = Shader { path: "my/op.wgsl", text: "#ifdef X\n#endif\nfn f() { oops; }\n" };
    /// let composed = compose(bad, &[], &[])?;
    /// assert_eq!(composed.explain("error at wgsl:1:10"), "error at my/op.wgsl:3:10");
    /// # Ok::<(), quarter::shader::ComposeError>(())
    /// ```
    pub fn explain(&self, message: &str) -> String {
        let lines: Vec<String> = message.lines().map(|l| self.margin(&self.position(l))).collect();
        lines.join("\n")
    }

    fn position(&self, line: &str) -> String {
        let Some(at) = line.find("wgsl:") else { return line.to_owned() };
        let rest = &line[at + 5..];
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        match rest[..digits].parse().ok().and_then(|n| self.locate(n)) {
            Some((path, n)) => format!("{}{path}:{n}{}", &line[..at], &rest[digits..]),
            None => line.to_owned(),
        }
    }

    /// `17 │ let x = …` of a code excerpt, where 17 counts composed lines.
    fn margin(&self, line: &str) -> String {
        let Some((number, code)) = line.split_once('│') else { return line.to_owned() };
        match number.trim().parse().ok().and_then(|n| self.locate(n)) {
            Some((_, n)) => format!("{n:>w$} │{code}", w = number.trim_end().chars().count()),
            None => line.to_owned(),
        }
    }
}

/// Composes `root` from `library`, with `defines` set.
///
/// * `#import lib/file.wgsl x=a at=1` inserts the file, once per set of arguments; `$x` in it becomes `a`.
/// * `#ifdef NAME`, `#ifndef NAME`, `#else`, `#endif` keep or drop lines; they nest.
///
/// # Errors
/// [`ComposeError`] with file and line: an unknown file or directive, a condition that is not closed, an argument
/// that is not given, a file that imports itself for ever.
pub fn compose(root: Shader, library: &[Shader], defines: &[String]) -> Result<Composed, ComposeError> {
    let mut c =
        Composer { library, defines, done: vec![], within: vec![], text: String::new(), origins: vec![] };
    c.file(root, &[])?;
    Ok(Composed { text: c.text, origins: c.origins })
}

struct Composer<'a> {
    library: &'a [Shader],
    defines: &'a [String],
    done: Vec<(&'static str, Vec<(String, String)>)>,
    /// Files that are being inserted, each by the one before.
    within: Vec<&'static str>,
    text: String,
    origins: Vec<(&'static str, u32)>,
}

impl Composer<'_> {
    fn file(&mut self, file: Shader, args: &[(String, String)]) -> Result<(), ComposeError> {
        // Each open condition: whether its lines are kept, and whether `#else` was seen.
        let mut open: Vec<(bool, bool)> = vec![];
        let mut last = 0;
        for (n, line) in (1..).zip(file.text.lines()) {
            last = n;
            let fail = |what: String| ComposeError { path: file.path.to_owned(), line: n, what };
            let keep = open.iter().all(|o| o.0);
            // What is dropped need not have its arguments.
            let line = match substitute(line, args) {
                Ok(line) => line,
                Err(_) if !keep => line.to_owned(),
                Err(what) => return Err(fail(what)),
            };
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("#ifdef"), Some(name)) => open.push((self.defined(name), false)),
                (Some("#ifndef"), Some(name)) => open.push((!self.defined(name), false)),
                (Some("#else"), None) => match open.last_mut() {
                    Some(o) if !o.1 => *o = (!o.0, true),
                    _ => return Err(fail("#else without its #ifdef".into())),
                },
                (Some("#endif"), None) => {
                    open.pop().ok_or_else(|| fail("#endif without its #ifdef".into()))?;
                }
                (Some("#import"), Some(path)) if keep => {
                    let mut given = vec![];
                    for w in words {
                        let (k, v) = w
                            .split_once('=')
                            .ok_or_else(|| fail(format!("expected name=value, got `{w}`")))?;
                        given.push((k.to_owned(), v.to_owned()));
                    }
                    let found = self.library.iter().find(|s| s.path == path);
                    let found = *found.ok_or_else(|| fail(format!("no file `{path}` in the library")))?;
                    if !self.done.iter().any(|d| d.0 == path && d.1 == given) {
                        if self.within.contains(&found.path) {
                            return Err(fail(format!("`{path}` imports itself with other arguments")));
                        }
                        self.done.push((found.path, given.clone()));
                        self.within.push(found.path);
                        self.file(found, &given)?;
                        self.within.pop();
                    }
                }
                (Some("#import"), Some(_)) => {}
                (Some(w), _) if w.starts_with('#') => {
                    return Err(fail(format!("unknown directive `{}`", line.trim())));
                }
                _ if keep => {
                    self.text.push_str(&line);
                    self.text.push('\n');
                    self.origins.push((file.path, n));
                }
                _ => {}
            }
        }
        if open.is_empty() {
            Ok(())
        } else {
            Err(ComposeError {
                path: file.path.to_owned(),
                line: last,
                what: "#ifdef without its #endif".into(),
            })
        }
    }

    fn defined(&self, name: &str) -> bool {
        self.defines.iter().any(|d| d == name)
    }
}

/// Replaces every `$name` by its argument; a `$` in a comment is no argument.
fn substitute(line: &str, args: &[(String, String)]) -> Result<String, String> {
    let (code, comment) = line.find("//").map_or((line, ""), |i| line.split_at(i));
    let mut out = String::with_capacity(line.len());
    let mut rest = code;
    while let Some(i) = rest.find('$') {
        out.push_str(&rest[..i]);
        rest = &rest[i + 1..];
        // The longest argument name that fits: `$x_load` is `$x` and `_load`.
        let name = args.iter().filter(|(k, _)| rest.starts_with(k.as_str())).max_by_key(|(k, _)| k.len());
        let (k, v) = name.ok_or_else(|| format!("no argument for `${rest}`"))?;
        out.push_str(v);
        rest = &rest[k.len()..];
    }
    out.push_str(rest);
    out.push_str(comment);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIB: &[Shader] = &[
        Shader { path: "lib/a.wgsl", text: "#import lib/b.wgsl\nfn a_$x() { $y; } // $z stays\n" },
        Shader { path: "lib/b.wgsl", text: "fn b() {}\n" },
        Shader { path: "lib/c.wgsl", text: "#import lib/c.wgsl x=$x$x\n" },
    ];

    fn run(text: &'static str, defines: &[&str]) -> Result<Composed, ComposeError> {
        let defines: Vec<String> = defines.iter().map(|d| (*d).to_owned()).collect();
        compose(Shader { path: "op/k.wgsl", text }, LIB, &defines)
    }

    #[test]
    fn imports_conditions_and_arguments() {
        let text = "#import lib/a.wgsl x=p y=q\n#import lib/a.wgsl x=r y=s\n#import lib/b.wgsl\n\
                    #ifdef ONE\none\n#ifndef TWO\nnot two\n#else\ntwo\n#endif\n#else\nzero\n#endif\nend\n";
        let c = run(text, &["ONE"]).unwrap();
        let want = "fn b() {}\nfn a_p() { q; } // $z stays\nfn a_r() { s; } // $z stays\none\nnot two\nend\n";
        assert_eq!(c.text(), want);
        assert_eq!(c.locate(1), Some(("lib/b.wgsl", 1)));
        assert_eq!(c.locate(2), Some(("lib/a.wgsl", 2)));
        assert_eq!(c.locate(6), Some(("op/k.wgsl", 14)));
        assert_eq!((c.locate(0), c.locate(7)), (None, None));
        assert!(run(text, &["ONE", "TWO"]).unwrap().text().contains("\ntwo\n"));
        assert!(run(text, &[]).unwrap().text().contains("zero\nend"));
    }

    #[test]
    fn messages_name_the_file() {
        let c = run("#import lib/b.wgsl\n\nfn bad() { x; }\n", &[]).unwrap();
        let told = c.explain("error: no x\n  ┌─ wgsl:3:12\n  │\n3 │ fn bad() { x; }\n  │            ^");
        assert!(told.contains("op/k.wgsl:3:12") && told.contains("\n3 │ fn bad"), "{told}");
        let c = run("#ifdef X\n#endif\nfn bad() { x; }\n", &[]).unwrap();
        assert!(c.explain("wgsl:1:12\n1 │ fn").contains("op/k.wgsl:3:12\n3 │ fn"), "{}", c.explain("1 │ fn"));
    }

    #[test]
    fn faults_have_a_place() {
        for (text, what) in [
            ("\n#import lib/none.wgsl\n", "op/k.wgsl:2: no file `lib/none.wgsl` in the library"),
            ("#ifdef A\n\n", "op/k.wgsl:2: #ifdef without its #endif"),
            ("#endif\n", "op/k.wgsl:1: #endif without its #ifdef"),
            ("#ifdef A\n#else\n#else\n#endif", "op/k.wgsl:3: #else without its #ifdef"),
            ("#include x\n", "op/k.wgsl:1: unknown directive `#include x`"),
            ("#ifdef A\n$c\n#endif\nlet a = $b;\n", "op/k.wgsl:4: no argument for `$b;`"),
            ("let a = $b;\n", "op/k.wgsl:1: no argument for `$b;`"),
            ("#import lib/c.wgsl x=y\n", "lib/c.wgsl:1: `lib/c.wgsl` imports itself with other arguments"),
            ("#import lib/a.wgsl xp\n", "op/k.wgsl:1: expected name=value, got `xp`"),
        ] {
            assert_eq!(run(text, &[]).unwrap_err().to_string(), what);
        }
    }
}
