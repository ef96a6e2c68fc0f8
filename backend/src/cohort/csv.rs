//! Tables for spreadsheets (RFC 4180), which take what begins like a formula for one.

/// What a formula begins with, in the wide letters of East Asia too.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// Adds a row.
pub fn row<'c>(to: &mut String, cells: impl IntoIterator<Item = &'c str>) {
    for (place, cell) in cells.into_iter().enumerate() {
        if place > 0 {
            to.push(',');
        }
        // A spreadsheet would run it. An apostrophe in front makes it text.
        let formula = cell.starts_with(FORMULA);
        if formula || cell.contains([',', '"', '\n', '\r']) {
            to.push('"');
            if formula {
                to.push('\'');
            }
            to.push_str(&cell.replace('"', "\"\""));
            to.push('"');
        } else {
            to.push_str(cell);
        }
    }
    to.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    #[test]
    fn p5_cells_are_quoted_and_never_formulas() {
        let mut text = String::new();
        super::row(&mut text, ["a", "b,c", "say \"hi\"", "=HYPERLINK(\"x\")", "-1", "two\nlines", ""]);
        assert_eq!(text, "a,\"b,c\",\"say \"\"hi\"\"\",\"'=HYPERLINK(\"\"x\"\")\",\"'-1\",\"two\nlines\",\r\n");
    }
}
