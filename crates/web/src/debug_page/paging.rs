//! The page of each long table, by the query.

use std::ops::Range;

/// A table on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Rules,
    ClientTypes,
    Keys,
}

impl Table {
    const ALL: [Self; 3] = [Self::Rules, Self::ClientTypes, Self::Keys];

    /// The query field of its page number.
    fn field(self) -> &'static str {
        match self {
            Self::Rules => "rules-page",
            Self::ClientTypes => "client-types-page",
            Self::Keys => "keys-page",
        }
    }

    /// The number of entries on a page.
    pub(super) fn length(self) -> usize {
        match self {
            Self::Rules => 50,
            Self::ClientTypes => 20,
            Self::Keys => 100,
        }
    }

    fn section(self) -> &'static str {
        match self {
            Self::Rules | Self::ClientTypes => "access",
            Self::Keys => "keys",
        }
    }
}

/// The page of each table, counted from 0, and the rest of the query.
#[derive(Debug, Default)]
pub(super) struct Pages {
    pages: [usize; Table::ALL.len()],
    /// The fields of the form.
    pub(super) form: String,
}

/// The range of a page, and the links to other pages.
pub(super) struct Pager {
    pub(super) what: &'static str,
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) total: usize,
    pub(super) previous: Option<String>,
    pub(super) next: Option<String>,
}

impl Pages {
    /// Parses a query string.
    pub(super) fn read(query: &str) -> Self {
        let mut pages = [0; Table::ALL.len()];
        let mut form = Vec::new();
        for field in query.split('&') {
            let page = Table::ALL
                .into_iter()
                .zip(&mut pages)
                .find_map(|(table, page)| {
                    let number = field.strip_prefix(table.field())?.strip_prefix('=')?;
                    Some((page, number.parse::<usize>().ok()?.checked_sub(1)?))
                });
            match page {
                Some((page, number)) => *page = number,
                None => form.push(field),
            }
        }
        Self {
            pages,
            form: form.join("&"),
        }
    }

    fn of(&self, table: Table) -> usize {
        self.pages.get(table as usize).copied().unwrap_or_default()
    }

    /// The range of the shown entries; a page after the end shows the last page.
    pub(super) fn range(&self, table: Table, total: usize) -> Range<usize> {
        let length = table.length();
        let last_page = total.saturating_sub(1) / length;
        let start = self.of(table).min(last_page) * length;
        start..(start + length).min(total)
    }

    /// The first shown entry of a table of unknown length.
    pub(super) fn first(&self, table: Table) -> usize {
        self.of(table).saturating_mul(table.length())
    }

    /// Returns the links below a table; `None` if it fits on one page.
    pub(super) fn pager(&self, table: Table, what: &'static str, total: usize) -> Option<Pager> {
        if total <= table.length() {
            return None;
        }
        let Range { start, end } = self.range(table, total);
        let page = start / table.length();
        Some(Pager {
            what,
            first: start + 1,
            last: end,
            total,
            previous: page.checked_sub(1).map(|page| self.link(table, page)),
            next: (end < total).then(|| self.link(table, page + 1)),
        })
    }

    /// The same view with another page of one table.
    fn link(&self, table: Table, page: usize) -> String {
        let mut fields: Vec<_> = [self.form.clone()]
            .into_iter()
            .filter(|form| !form.is_empty())
            .collect();
        for other in Table::ALL {
            let number = if other == table { page } else { self.of(other) };
            if number > 0 {
                fields.push(format!("{}={}", other.field(), number + 1));
            }
        }
        format!("?{}#{}", fields.join("&"), table.section())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_a_range_of_a_table() {
        let pages = Pages::read("uri=/a&keys-page=3&method=GET&rules-page=99");
        assert_eq!(pages.form, "uri=/a&method=GET");
        assert_eq!(pages.range(Table::Keys, 1000), 200..300);
        assert_eq!(pages.range(Table::Keys, 250), 200..250);
        assert_eq!(pages.range(Table::Keys, 120), 100..120);
        assert_eq!(pages.range(Table::Keys, 0), 0..0);
        assert_eq!(pages.range(Table::Rules, 101), 100..101);
        assert_eq!(pages.range(Table::ClientTypes, 5), 0..5);
    }

    #[test]
    fn other_pages_keep_the_rest_of_the_view() {
        let pages = Pages::read("uri=/a&rules-page=2&keys-page=2");
        let links = pages.pager(Table::Keys, "keys", 250).unwrap();
        assert_eq!((links.first, links.last, links.total), (101, 200, 250));
        assert_eq!(links.previous.as_deref(), Some("?uri=/a&rules-page=2#keys"));
        assert_eq!(
            links.next.as_deref(),
            Some("?uri=/a&rules-page=2&keys-page=3#keys")
        );
        assert!(pages.pager(Table::Keys, "keys", 100).is_none());
    }

    #[test]
    fn an_invalid_page_number_is_left_to_the_form() {
        for query in ["keys-page=x", "keys-page=0", "keys-page="] {
            assert_eq!(Pages::read(query).form, query);
        }
    }
}
