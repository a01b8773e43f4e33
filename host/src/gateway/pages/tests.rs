//! Themes: what is refused, where it is told, and what the pages are made of.

use std::fs;
use std::sync::Arc;

use super::theme::Theme;
use super::view::samples;
use super::{link, policy};
use crate::settings::RESERVED;

#[test]
fn no_path_of_a_tenant_can_hide_a_page_of_another() {
    for route in crate::gateway::routes::all() {
        let first = route.path.split('/').nth(1).unwrap();
        assert!(first.is_empty() || RESERVED.contains(&first), "{}", route.path);
    }
}

/// A theme folder with these files.
fn theme(files: &[(&str, &str)]) -> Result<Arc<Theme>, String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    Theme::load(Some(folder.path()))
}

fn refusal(files: &[(&str, &str)]) -> String {
    theme(files).err().unwrap()
}

/// Every page in every state.
fn all(theme: &Theme) -> Vec<String> {
    samples().iter().map(|(template, view)| theme.render(template, view).unwrap()).collect()
}

#[test]
fn no_page_has_a_script_or_a_style_of_its_own_or_loads_anything_from_elsewhere() {
    for page in all(&Theme::load(None).unwrap()) {
        let page = page.to_ascii_lowercase();
        for forbidden in ["<script", "<style", " style=", " onclick", "javascript:", "://", "//"] {
            assert!(!page.contains(forbidden), "{forbidden}: {page}");
        }
        assert!(page.starts_with("<!doctype html>"), "{page}");
    }
}

#[test]
fn every_field_has_a_label_and_every_description_is_there() {
    let between = |page: &str, before: &str| -> Vec<String> {
        let parts = page.split(before).skip(1);
        parts.filter_map(|rest| rest.split('"').next().map(str::to_owned)).collect()
    };
    for page in all(&Theme::load(None).unwrap()) {
        let ids = between(&page, " id=\"");
        let unique: std::collections::BTreeSet<&String> = ids.iter().collect();
        assert_eq!(ids.len(), unique.len(), "{page}");
        for id in between(&page, "aria-describedby=\"").iter().flat_map(|it| it.split_whitespace())
        {
            assert!(ids.iter().any(|it| it == id), "{id}: {page}");
        }
        let labels = between(&page, "<label for=\"");
        for id in between(&page, "<input id=\"") {
            assert!(labels.contains(&id), "{id}: {page}");
        }
        assert!(page.matches("autofocus").count() <= 1, "{page}");
    }
}

#[test]
fn what_somebody_typed_is_text_and_never_markup() {
    let theme = Theme::load(None).unwrap();
    let evil = "\"><script>alert(1)</script>";
    for (template, view) in samples() {
        let form = super::view::Typed { email: evil.to_owned(), new_email: evil.to_owned() };
        let view = super::view::View {
            form,
            return_to: evil.to_owned(),
            carry: link("", &[("return_to", evil)]),
            ..view
        };
        assert!(!theme.render(template, &view).unwrap().contains("<script"), "{template}");
    }
}

#[test]
fn a_file_of_the_folder_is_taken_before_that_of_the_program() {
    let theme = theme(&[
        ("brand.html", "<p>Shop</p>"),
        ("style.css", "p { color: red }"),
        ("logo.PNG", "x"),
        (".hidden", "x"),
    ])
    .unwrap();
    assert!(all(&theme).iter().all(|page| page.contains("<p>Shop</p>")));
    let style = theme.file("style.css").unwrap();
    assert_eq!(style.content, "p { color: red }");
    assert_ne!(style.version, Theme::load(None).unwrap().file("style.css").unwrap().version);
    assert_eq!(theme.file("logo.PNG").unwrap().content_type, "image/png");
    assert!(theme.file("icon.svg").is_some());
    assert!(theme.file(".hidden").is_none());
    assert!(theme.file("../style.css").is_none());
}

#[test]
fn what_is_wrong_with_a_theme_is_told_with_file_and_line() {
    for (name, content, told) in [
        ("brand.html", "fine\n{% if %}", "brand.html, line 2: syntax error"),
        ("brand.html", "\n\n{{ nothing_of_this_name }}", "brand.html, line 3: undefined value"),
        ("sign-in.html", "{% extends \"missing.html\" %}", "sign-in.html"),
        ("verify.html", "a\n{{ told|frobnicate }}", "verify.html, line 2: unknown filter"),
        (
            "error.html",
            "{% if error.key == \"limited\" %}\n{{ eror }}{% endif %}",
            "error.html, line 2",
        ),
        ("script.js", "x", "script.js is neither a template (html) nor one of avif, css"),
        ("a b.css", "x", "a b.css: a name has letters"),
    ] {
        let refusal = refusal(&[(name, content)]);
        assert!(refusal.contains(told), "{told}: {refusal}");
    }
}

#[test]
fn a_folder_that_is_not_there_or_too_large_is_refused() {
    let missing = Theme::load(Some("no/such/folder".as_ref())).err().unwrap();
    assert!(missing.contains("no/such/folder"), "{missing}");
    let large = "x".repeat((1 << 20) + 1);
    assert!(refusal(&[("style.css", &large)]).contains("style.css has more than 1048576 bytes"));
}

#[test]
fn forms_may_lead_to_where_the_visitor_came_from_and_nowhere_else() {
    assert!(policy("").contains("form-action 'self';"));
    assert!(policy("/account").contains("form-action 'self';"));
    let other = policy("https://app.example.com:8443/x?y=https://evil.example");
    assert!(other.contains("form-action 'self' https://app.example.com:8443;"), "{other}");
    assert!(policy("https://a.b;script-src *").contains("form-action 'self';"));
}

#[test]
fn what_stands_in_a_link_stays_one_value() {
    assert_eq!(link("/code", &[("email", "a+b@c.d"), ("told", "")]), "/code?email=a%2Bb%40c.d");
    assert_eq!(link("/", &[("a", "1&2"), ("b", "#")]), "/?a=1%262&b=%23");
}
