//! A document of headings, paragraphs, tables and messages, in Markdown or HTML.

use std::fmt::Write as _;

/// What is written, not yet how.
#[derive(Debug)]
pub(super) struct Document {
    title: String,
    blocks: Vec<Block>,
}

#[derive(Debug)]
enum Block {
    Heading(u8, String),
    Text(String),
    Table {
        columns: &'static [&'static str],
        rows: Vec<Vec<String>>,
    },
    /// Lines as they are.
    Listing(String),
}

impl Document {
    pub(super) fn new(title: String) -> Self {
        Self { title, blocks: Vec::new() }
    }

    /// A part of the document.
    pub(super) fn part(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Heading(2, text.into()));
    }

    /// A part of a part.
    pub(super) fn section(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Heading(3, text.into()));
    }

    pub(super) fn text(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Text(text.into()));
    }

    pub(super) fn table(&mut self, columns: &'static [&'static str], rows: Vec<Vec<String>>) {
        self.blocks.push(Block::Table { columns, rows });
    }

    pub(super) fn listing(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Listing(text.into()));
    }

    pub(super) fn as_markdown(&self) -> String {
        let mut out = format!("# {}\n", markdown(&self.title));
        for block in &self.blocks {
            out.push('\n');
            match block {
                Block::Heading(level, text) => {
                    out.push_str(&format!("{} {}\n", "#".repeat(usize::from(*level)), markdown(text)));
                }
                Block::Text(text) => out.push_str(&format!("{}\n", markdown(text))),
                Block::Table { columns, rows } => {
                    out.push_str(&format!(
                        "| {} |\n|{}\n",
                        columns.join(" | "),
                        " --- |".repeat(columns.len())
                    ));
                    for row in rows {
                        let cells: Vec<String> =
                            row.iter().map(|cell| markdown(cell).replace('|', "\\|")).collect();
                        out.push_str(&format!("| {} |\n", cells.join(" | ")));
                    }
                }
                Block::Listing(text) => out.push_str(&format!("```text\n{}\n```\n", text.trim_end())),
            }
        }
        out
    }

    pub(super) fn as_html(&self) -> String {
        let title = html(&self.title);
        let mut out = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
             content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n\
             </head>\n<body>\n<main>\n<h1>{title}</h1>\n"
        );
        for (number, block) in self.blocks.iter().enumerate() {
            // Writing to a String does not fail.
            match block {
                Block::Heading(level, text) => {
                    writeln!(out, "<h{level} id=\"part-{number}\">{}</h{level}>", html(text)).ok()
                }
                Block::Text(text) => writeln!(out, "<p>{}</p>", html(text)).ok(),
                Block::Listing(text) => writeln!(out, "<pre>{}</pre>", html(text.trim_end())).ok(),
                Block::Table { columns, rows } => {
                    out.push_str("<div class=\"table\"><table>\n<thead><tr>");
                    columns
                        .iter()
                        .for_each(|column| out.push_str(&format!("<th scope=\"col\">{}</th>", html(column))));
                    out.push_str("</tr></thead>\n<tbody>\n");
                    for row in rows {
                        out.push_str("<tr>");
                        row.iter().for_each(|cell| out.push_str(&format!("<td>{}</td>", html(cell))));
                        out.push_str("</tr>\n");
                    }
                    out.push_str("</tbody>\n</table></div>\n");
                    Some(())
                }
            };
        }
        out + "</main>\n</body>\n</html>\n"
    }
}

/// Text whose characters mean themselves. A table cell escapes its bars too.
fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' => out.push(' '),
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '~' => {
                out.push('\\');
                out.push(character);
            }
            other => out.push(other),
        }
    }
    out
}

fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// For screens of any width, and for paper: heads of tables repeat on each page.
const STYLE: &str = "\
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0; }
main { max-width: 78rem; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.7rem; line-height: 1.2; }
h2 { font-size: 1.3rem; margin-top: 2.5rem; border-bottom: 1px solid var(--line); padding-bottom: .3rem; }
h3 { font-size: 1.05rem; margin-top: 1.8rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .5rem; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { background: var(--soft); white-space: nowrap; overflow-wrap: normal; }
td:first-child { white-space: nowrap; font-variant-numeric: tabular-nums; }
tbody tr:nth-child(even) { background: var(--soft); }
pre { background: var(--soft); padding: .8rem; overflow-x: auto; font: .82rem/1.5 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
@media print {
  body { font-size: 9.5pt; } main { padding: 0; max-width: none; } .table { overflow: visible; }
  thead { display: table-header-group; } tr, pre { break-inside: avoid; } h2, h3 { break-after: avoid; }
}
@page { size: A4 landscape; margin: 14mm; }
";
