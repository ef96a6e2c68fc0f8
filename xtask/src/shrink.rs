//! Shortens the names by which glue and WebAssembly call each other.
//!
//! wasm-bindgen names its imports `__wbg_appendChild_8f3c61e2a9d04b17`: sixteen digits that no
//! compression can shorten, a hundred times, in both files. Only the two of them know these names,
//! so here they become `a`, `b`, `c`: some 3 KB less of what every page downloads.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Context as _, Result, bail};

/// What all names begin with that are wasm-bindgen's own.
const PREFIX: &str = "__wb";
const CUSTOM: u8 = 0;
const IMPORTS: u8 = 2;
const EXPORTS: u8 = 7;

/// The same pair with short names, and without the sections that only tools read.
pub fn shrink(wasm: &[u8], glue: &str) -> Result<(Vec<u8>, String)> {
    let mut names = Names::new(wasm)?;
    let mut input = Reader(wasm);
    let mut output = input.take(8)?.to_vec();
    while !input.0.is_empty() {
        let (id, body) = input.section()?;
        let body = match id {
            CUSTOM => continue,
            IMPORTS => rename(body, true, &mut names)?,
            EXPORTS => rename(body, false, &mut names)?,
            _ => body.to_vec(),
        };
        output.push(id);
        write_number(&mut output, body.len());
        output.extend(body);
    }
    Ok((output, names.replace_in(glue)))
}

/// The new names, given out as old ones are met.
struct Names {
    /// Names that are somebody's already.
    taken: BTreeSet<String>,
    new: HashMap<String, String>,
    next: usize,
}

impl Names {
    fn new(wasm: &[u8]) -> Result<Self> {
        let mut taken = BTreeSet::new();
        let mut input = Reader(wasm);
        input.take(8)?;
        while !input.0.is_empty() {
            let (id, body) = input.section()?;
            if id == IMPORTS || id == EXPORTS {
                each_name(body, id == IMPORTS, |name, _| {
                    taken.insert(name.to_owned());
                    Ok(())
                })?;
            }
        }
        Ok(Self { taken, new: HashMap::new(), next: 0 })
    }

    fn of(&mut self, old: &str) -> String {
        if !old.starts_with(PREFIX) {
            return old.to_owned();
        }
        if let Some(new) = self.new.get(old) {
            return new.clone();
        }
        let new = loop {
            let name = short(self.next);
            self.next += 1;
            if !self.taken.contains(&name) {
                break name;
            }
        };
        self.new.insert(old.to_owned(), new.clone());
        new
    }

    /// Replaces whole identifiers only: one name can be the beginning of another.
    fn replace_in(&self, glue: &str) -> String {
        let mut output = String::with_capacity(glue.len());
        let mut rest = glue;
        while let Some(at) = rest.find(PREFIX) {
            let (before, from) = rest.split_at(at);
            output.push_str(before);
            let end = from.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '$')).unwrap_or(from.len());
            let (name, after) = from.split_at(end);
            output.push_str(self.new.get(name).map_or(name, String::as_str));
            rest = after;
        }
        output.push_str(rest);
        output
    }
}

/// 0 is `a`, 25 is `z`, 26 is `aa`.
fn short(mut number: usize) -> String {
    let mut letters = Vec::new();
    loop {
        letters.push(b'a' + u8::try_from(number % 26).unwrap_or(0));
        if number < 26 {
            break;
        }
        number = number / 26 - 1;
    }
    letters.iter().rev().map(|letter| char::from(*letter)).collect()
}

/// An import or export section with new names.
fn rename(body: &[u8], imports: bool, names: &mut Names) -> Result<Vec<u8>> {
    let mut output = Vec::with_capacity(body.len());
    let count = Reader(body).number()?;
    write_number(&mut output, count);
    each_name(body, imports, |name, entry| {
        if let Some(module) = entry.module {
            write_name(&mut output, module);
        }
        write_name(&mut output, &names.of(name));
        output.extend(entry.rest);
        Ok(())
    })?;
    Ok(output)
}

/// What stands around a name.
struct Entry<'a> {
    /// The module, for an import.
    module: Option<&'a str>,
    /// What is imported or exported under the name.
    rest: &'a [u8],
}

fn each_name<'a>(body: &'a [u8], imports: bool, mut visit: impl FnMut(&'a str, Entry<'a>) -> Result<()>) -> Result<()> {
    let mut input = Reader(body);
    for _ in 0..input.number()? {
        let module = if imports { Some(input.name()?) } else { None };
        let name = input.name()?;
        let start = input.0;
        match (input.byte()?, imports) {
            (_, false) | (0, true) => drop(input.number()?),
            (1, true) => {
                input.byte()?;
                input.limits()?;
            }
            (2, true) => input.limits()?,
            (3, true) => drop(input.take(2)?),
            (kind, true) => bail!("an import of a kind unknown here: {kind}"),
        }
        let rest = &start[..start.len() - input.0.len()];
        visit(name, Entry { module, rest })?;
    }
    Ok(())
}

/// Reads WebAssembly's binary format.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).context("the WebAssembly ends early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    /// An unsigned number in LEB128.
    fn number(&mut self) -> Result<usize> {
        let mut number = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        bail!("a number is too long")
    }

    fn name(&mut self) -> Result<&'a str> {
        let length = self.number()?;
        Ok(std::str::from_utf8(self.take(length)?)?)
    }

    fn limits(&mut self) -> Result<()> {
        let flags = self.byte()?;
        self.number()?;
        if flags & 1 == 1 {
            self.number()?;
        }
        Ok(())
    }

    fn section(&mut self) -> Result<(u8, &'a [u8])> {
        let id = self.byte()?;
        let length = self.number()?;
        Ok((id, self.take(length)?))
    }
}

fn write_name(output: &mut Vec<u8>, name: &str) {
    write_number(output, name.len());
    output.extend(name.as_bytes());
}

fn write_number(output: &mut Vec<u8>, mut number: usize) {
    loop {
        let byte = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            return output.push(byte);
        }
        output.push(byte | 0x80);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// Imports `m.__wbg_now_0123456789abcdef` and `m.get`, exports `__wbindgen_start` and `mount`.
    fn module() -> Vec<u8> {
        let mut imports = vec![2];
        for name in ["__wbg_now_0123456789abcdef", "get"] {
            write_name(&mut imports, "m");
            write_name(&mut imports, name);
            imports.extend([0, 0]);
        }
        let mut exports = vec![2];
        for (name, index) in [("__wbindgen_start", 2), ("mount", 3)] {
            write_name(&mut exports, name);
            exports.extend([0, index]);
        }
        let mut wasm = b"\0asm\x01\0\0\0".to_vec();
        for (id, body) in [(0, b"\x04namex".to_vec()), (2, imports), (7, exports)] {
            wasm.push(id);
            write_number(&mut wasm, body.len());
            wasm.extend(body);
        }
        wasm
    }

    #[test]
    fn both_sides_get_the_same_short_names() {
        let glue = "i={__wbg_now_0123456789abcdef:f,__wbg_now_0123456789abcdef0:g,get};o.__wbindgen_start()";
        let (wasm, glue) = shrink(&module(), glue).unwrap();
        assert_eq!(glue, "i={a:f,__wbg_now_0123456789abcdef0:g,get};o.b()");
        let mut names = Vec::new();
        let mut input = Reader(&wasm);
        input.take(8).unwrap();
        while !input.0.is_empty() {
            let (id, body) = input.section().unwrap();
            each_name(body, id == IMPORTS, |name, _| {
                names.push(name.to_owned());
                Ok(())
            })
            .unwrap();
        }
        assert_eq!(names, ["a", "get", "b", "mount"]);
        assert!(wasm.len() < module().len());
    }

    #[test]
    fn short_names_are_in_order_and_skip_none() {
        let names: Vec<_> = [0, 25, 26, 27, 701, 702].map(short).into();
        assert_eq!(names, ["a", "z", "aa", "ab", "zz", "aaa"]);
    }

    #[test]
    fn what_is_no_webassembly_is_refused() {
        assert!(shrink(b"\0asm\x01\0\0\0\x02\x05\x01", "").is_err());
    }
}
