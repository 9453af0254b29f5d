//! A table bomb: the guest `hostile` with a table that may grow, and a function that grows it for ever. Rust has no word for
//! either, so they are put into the component that was built.
//!
//! In comes a component, out goes the same with two things changed in the core module that has the marked function: the
//! first table has no maximum, or more elements from the start, and that function is the bomb. Nothing else is touched.

use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};

use crate::folder::Folder;
use crate::host::plugin;

/// What the marked function of the guest returns (`misdeeds::grow_a_table`): `i64.const` of it.
const MARK: [u8; 11] = [0x42, 0xa1, 0xd8, 0x81, 0xa9, 0xc6, 0xcd, 0xd8, 0xb0, 0xf4, 0x00];

/// Grows table 0 by 1,000 elements again and again; traps where that is refused, as most guests do.
const BOMB: [u8; 19] = [
    0x00, // no locals
    0x03, 0x40, // loop
    0xd0, 0x70, // ref.null func
    0x41, 0xe8, 0x07, // i32.const 1000
    0xfc, 0x0f, 0x00, // table.grow 0
    0x41, 0x7f, // i32.const -1
    0x47, // i32.ne
    0x0d, 0x00, // br_if 0
    0x0b, // end
    0x00, // unreachable
    0x0b, // end
];

/// Sections of a component and of a core module.
const CORE_MODULE: u8 = 1;
const TABLES: u8 = 4;
const CODE: u8 = 10;

/// Limits of a table: whether a maximum follows.
const NO_MAXIMUM: u8 = 0;
const WITH_MAXIMUM: u8 = 1;

/// Writes the component into this folder.
///
/// # Errors
/// When the guest is not built, or is not as it was when this was written.
pub fn component(folder: &Folder) -> anyhow::Result<PathBuf> {
    let built = std::fs::read(plugin("hostile")?)?;
    let changed = in_component(&built, |tables| with_limits(tables, None))?;
    write(folder, "table-bomb.wasm", &changed)
}

/// The same, with so many elements in its table from the start.
pub fn component_with_elements(folder: &Folder, elements: u64) -> anyhow::Result<PathBuf> {
    let built = std::fs::read(plugin("hostile")?)?;
    let changed = in_component(&built, |tables| with_limits(tables, Some(elements)))?;
    write(folder, "large-table.wasm", &changed)
}

fn write(folder: &Folder, name: &str, bytes: &[u8]) -> anyhow::Result<PathBuf> {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).with_context(|| path.display().to_string())?;
    Ok(path)
}

fn in_component(
    component: &[u8],
    tables: impl Fn(&[u8]) -> anyhow::Result<Vec<u8>>,
) -> anyhow::Result<Vec<u8>> {
    let mut changed = 0;
    let out = with_sections(component, |id, content| {
        let is_marked = id == CORE_MODULE && content.windows(MARK.len()).any(|window| window == MARK);
        if !is_marked {
            return Ok(None);
        }
        changed += 1;
        in_module(content, &tables).map(Some)
    })?;
    ensure!(changed == 1, "{changed} core modules have the marked function");
    Ok(out)
}

fn in_module(module: &[u8], tables: impl Fn(&[u8]) -> anyhow::Result<Vec<u8>>) -> anyhow::Result<Vec<u8>> {
    with_sections(module, |id, content| match id {
        TABLES => tables(content).map(Some),
        CODE => with_bomb(content).map(Some),
        _ => Ok(None),
    })
}

/// The same file with what `change` gives in the place of a section's content.
fn with_sections(
    file: &[u8],
    mut change: impl FnMut(u8, &[u8]) -> anyhow::Result<Option<Vec<u8>>>,
) -> anyhow::Result<Vec<u8>> {
    let (head, mut rest) = file.split_at_checked(8).context("it has no head")?;
    let mut out = head.to_vec();
    while let Some((id, behind)) = rest.split_first() {
        rest = behind;
        let content = sized(&mut rest)?;
        let changed = change(*id, content)?;
        out.push(*id);
        push_sized(&mut out, changed.as_deref().unwrap_or(content));
    }
    Ok(out)
}

/// The only table's limits: without a maximum, or of so many elements.
fn with_limits(tables: &[u8], elements: Option<u64>) -> anyhow::Result<Vec<u8>> {
    let mut rest = tables;
    ensure!(number(&mut rest)? == 1, "it has not one table");
    let (kind, limits) = rest.split_first().context("its table has no type")?;
    let (flags, mut limits) = limits.split_first().context("its table has no limits")?;
    ensure!(matches!(*flags, NO_MAXIMUM | WITH_MAXIMUM), "the limits of its table are of the kind {flags}");
    let least = number(&mut limits)?;
    let mut out = vec![1, *kind, NO_MAXIMUM];
    push_number(&mut out, elements.unwrap_or(least));
    Ok(out)
}

/// The bomb in the place of the marked function.
fn with_bomb(code: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut rest = code;
    let count = number(&mut rest)?;
    let mut out = Vec::new();
    push_number(&mut out, count);
    let mut marked = 0;
    for _ in 0..count {
        let body = sized(&mut rest)?;
        let is_marked = body.windows(MARK.len()).any(|window| window == MARK);
        marked += usize::from(is_marked);
        push_sized(&mut out, if is_marked { &BOMB } else { body });
    }
    ensure!(marked == 1, "{marked} functions are marked");
    Ok(out)
}

/// What stands behind its size.
fn sized<'a>(rest: &mut &'a [u8]) -> anyhow::Result<&'a [u8]> {
    let size = usize::try_from(number(rest)?)?;
    let (content, behind) = rest.split_at_checked(size).context("it ends too early")?;
    *rest = behind;
    Ok(content)
}

fn push_sized(out: &mut Vec<u8>, content: &[u8]) {
    push_number(out, content.len() as u64);
    out.extend_from_slice(content);
}

/// LEB128, without a sign.
fn number(rest: &mut &[u8]) -> anyhow::Result<u64> {
    let mut value = 0;
    for shift in (0..35).step_by(7) {
        let (byte, behind) = rest.split_first().context("it ends too early")?;
        *rest = behind;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    bail!("a number is longer than any may be")
}

fn push_number(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let byte = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        out.push(if value > 0 { byte | 0x80 } else { byte });
        if value == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_and_a_table_are_changed_and_nothing_else() {
        let head = [0, b'a', b's', b'm', 1, 0, 0, 0];
        let marked: Vec<u8> = [&[0][..], &MARK, &[0x0b]].concat();
        let mut code = vec![2];
        push_sized(&mut code, &[0, 0x0b]);
        push_sized(&mut code, &marked);
        let module = |tables: &[u8], code: &[u8]| {
            let mut module = head.to_vec();
            for (id, content) in [(TABLES, tables), (CODE, code), (0, b"name".as_slice())] {
                module.push(id);
                push_sized(&mut module, content);
            }
            module
        };
        let in_it = |module: &[u8]| {
            let mut component = head.to_vec();
            component.push(CORE_MODULE);
            push_sized(&mut component, module);
            component
        };
        let mut bombed = vec![2];
        push_sized(&mut bombed, &[0, 0x0b]);
        push_sized(&mut bombed, &BOMB);
        let component = in_it(&module(&[1, 0x70, WITH_MAXIMUM, 5, 5], &code));
        let grown = in_component(&component, |tables| with_limits(tables, None)).unwrap();
        assert_eq!(grown, in_it(&module(&[1, 0x70, NO_MAXIMUM, 5], &bombed)));
        let large = in_component(&component, |tables| with_limits(tables, Some(300))).unwrap();
        assert_eq!(large, in_it(&module(&[1, 0x70, NO_MAXIMUM, 0xac, 0x02], &bombed)));
        let other = in_it(&module(&[1, 0x70, WITH_MAXIMUM, 5, 5], &[1, 2, 0, 0x0b]));
        assert!(in_component(&other, |tables| with_limits(tables, None)).is_err());
    }
}
