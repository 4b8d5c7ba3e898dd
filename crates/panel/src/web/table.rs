//! Long lists: search, sort, pages, all in the address, so that they can be linked and need no
//! script.

use cloud::Page;
use maud::{Markup, html};
use serde::Deserialize;

use super::layout::escape_query;

/// Rows on a page.
pub(super) const PAGE_ROWS: usize = 50;
/// No list has more rows than this: pages beyond are the last one.
const ROWS_MAX: usize = 1 << 30;

/// What a list's address says.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Listing {
    /// What is searched for.
    #[serde(default)]
    pub(super) q: String,
    /// The column, with `-` in front for descending.
    #[serde(default)]
    pub(super) sort: String,
    /// From 1; anything else is 1.
    #[serde(default)]
    pub(super) page: String,
    /// Only this region.
    #[serde(default)]
    pub(super) region: String,
}

impl Listing {
    /// The page, from 0, no further than there are rows.
    pub(super) fn page_index(&self, total: usize) -> usize {
        let last = total.saturating_sub(1) / PAGE_ROWS;
        self.page.parse::<usize>().unwrap_or(1).saturating_sub(1).min(last)
    }

    /// Which rows of the list a cloud is asked for, once it has said how many there are; before
    /// that, the page as the address has it.
    pub(super) fn rows(&self, total: Option<u64>) -> Page {
        let total = total.and_then(|total| usize::try_from(total).ok());
        let index = self.page_index(total.unwrap_or(ROWS_MAX));
        let number = |rows: usize| u32::try_from(rows).unwrap_or(u32::MAX);
        Page { limit: Some(number(PAGE_ROWS)), offset: number(index * PAGE_ROWS) }
    }

    /// The rows of this page.
    pub(super) fn cut<'a, T>(&self, rows: &'a [T]) -> &'a [T] {
        let from = self.page_index(rows.len()) * PAGE_ROWS;
        let rest = rows.get(from..).unwrap_or_default();
        rest.get(..PAGE_ROWS.min(rest.len())).unwrap_or_default()
    }

    /// The column and whether it goes down.
    pub(super) fn order(&self) -> (&str, bool) {
        self.sort.strip_prefix('-').map_or((self.sort.as_str(), false), |column| (column, true))
    }

    fn address(&self, path: &str, sort: &str, page: usize) -> String {
        let mut address = format!("{path}?page={page}");
        for (name, value) in [("q", self.q.as_str()), ("region", &self.region), ("sort", sort)] {
            if !value.is_empty() {
                address.push('&');
                address.push_str(name);
                address.push('=');
                address.push_str(&escape_query(value));
            }
        }
        address
    }

    /// A column's head, which sorts by it; a second time the other way round.
    pub(super) fn head(&self, path: &str, column: &str, label: &str) -> Markup {
        let (now, down) = self.order();
        let here = now == column;
        let next = if here && !down { format!("-{column}") } else { column.to_owned() };
        let sorted = here.then_some(if down { "descending" } else { "ascending" });
        html! {
            th scope="col" aria-sort=[sorted] {
                a href=(self.address(path, &next, 1)) {
                    (label)
                    @if here { span aria-hidden="true" { (if down { " ↓" } else { " ↑" }) } }
                }
            }
        }
    }

    /// Links to the pages around this one.
    pub(super) fn pages(&self, path: &str, total: usize) -> Markup {
        let pages = total.div_ceil(PAGE_ROWS).max(1);
        let now = self.page_index(total) + 1;
        let first = (now - 1) * PAGE_ROWS + 1;
        let last = (now * PAGE_ROWS).min(total);
        html! {
            @if pages > 1 {
                nav .pages aria-label="Pages" {
                    @if now > 1 {
                        a .button.quiet rel="prev" href=(self.address(path, &self.sort, now - 1)) { "Previous" }
                    }
                    span .muted { (first) "–" (last) " of " (total) }
                    @if now < pages {
                        a .button.quiet rel="next" href=(self.address(path, &self.sort, now + 1)) { "Next" }
                    }
                }
            }
        }
    }

    /// The search field, with a choice of region where there are several.
    pub(super) fn search(
        &self,
        path: &str,
        hint: &str,
        regions: &[cloud::model::Region],
    ) -> Markup {
        html! {
            form .search method="get" action=(path) role="search" {
                label .hidden-label for="q" { "Search" }
                input #q type="search" name="q" value=(self.q) placeholder=(hint);
                @if regions.len() > 1 {
                    label .hidden-label for="region" { "Region" }
                    select #region name="region" data-submit {
                        option value="" { "All regions" }
                        @for region in regions {
                            option value=(region.id) selected[region.id == self.region] { (region.name) }
                        }
                    }
                }
                @if !self.sort.is_empty() { input type="hidden" name="sort" value=(self.sort); }
                button .quiet type="submit" { "Search" }
                @if !self.q.is_empty() || !self.region.is_empty() {
                    a href=(path) { "Show all" }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_stay_within_the_list() {
        let rows: Vec<usize> = (0..120).collect();
        let at = |page: &str| Listing { page: page.to_owned(), ..Listing::default() };
        assert_eq!(at("1").cut(&rows).first(), Some(&0));
        assert_eq!(at("3").cut(&rows), &rows[100..]);
        assert_eq!(at("99").cut(&rows), &rows[100..]);
        assert_eq!(at("-4").cut(&rows).len(), 50);
        assert!(at("1").cut::<usize>(&[]).is_empty());
    }
}
