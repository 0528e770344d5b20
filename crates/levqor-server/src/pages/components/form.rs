//! Form fields that keep what was typed and say what is wrong with it.

use maud::{Markup, html};

use super::icon::icon;
use crate::problem::FieldError;

/// A field of one line.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// The name, unless another form on the page has a field of that name, too.
    pub id: &'a str,
    pub name: &'a str,
    pub label: &'a str,
    /// `text`, `email`, …
    pub kind: &'a str,
    pub value: &'a str,
    pub hint: Option<&'a str>,
    pub error: Option<&'a str>,
    pub required: bool,
    pub autocomplete: Option<&'a str>,
}

impl<'a> Field<'a> {
    pub fn text(name: &'a str, label: &'a str, value: &'a str) -> Self {
        Self {
            id: name,
            name,
            label,
            kind: "text",
            value,
            hint: None,
            error: None,
            required: false,
            autocomplete: None,
        }
    }

    /// For an address of mail.
    pub fn email(value: &'a str) -> Self {
        Self { kind: "email", autocomplete: Some("email"), ..Self::text("email", "E-mail", value) }
    }

    pub fn id(mut self, id: &'a str) -> Self {
        self.id = id;
        self
    }

    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub fn hint(mut self, hint: &'a str) -> Self {
        self.hint = Some(hint);
        self
    }

    pub fn error(mut self, error: Option<&'a str>) -> Self {
        self.error = error;
        self
    }

    pub fn render(&self) -> Markup {
        html! {
            div.field {
                label for=(self.id) { (self.label) }
                @if let Some(hint) = self.hint { p.hint id={ (self.id) "-hint" } { (hint) } }
                input id=(self.id) name=(self.name) type=(self.kind) value=(self.value)
                    required[self.required] autofocus[self.error.is_some()] autocomplete=[self.autocomplete]
                    aria-invalid=[self.error.map(|_| "true")]
                    aria-describedby=[described_by(self.id, self.hint.is_some(), self.error.is_some())];
                (field_error(self.id, self.error))
            }
        }
    }
}

/// A text of several lines.
#[derive(Debug, Clone, Copy)]
pub struct Area<'a> {
    pub name: &'a str,
    pub label: &'a str,
    pub value: &'a str,
    pub rows: u32,
    pub code: bool,
    pub hint: Option<&'a str>,
    pub error: Option<&'a str>,
}

impl Area<'_> {
    pub fn render(&self) -> Markup {
        html! {
            div.field {
                label for=(self.name) { (self.label) }
                @if let Some(hint) = self.hint { p.hint id={ (self.name) "-hint" } { (hint) } }
                textarea.source[self.code] id=(self.name) name=(self.name) rows=(self.rows)
                    autofocus[self.error.is_some()] spellcheck=[self.code.then_some("false")] autocapitalize=[self.code.then_some("off")]
                    aria-invalid=[self.error.map(|_| "true")]
                    aria-describedby=[described_by(self.name, self.hint.is_some(), self.error.is_some())] {
                    (text(self.value))
                }
                (field_error(self.name, self.error))
            }
        }
    }
}

/// A textarea's content. HTML drops a line break right after the tag, so one is put there to be dropped.
pub fn text(value: &str) -> Markup {
    html! { "\n" (value) }
}

/// An editor with line numbers; `hits` are the lines with errors.
pub fn editor(name: &str, label: &str, value: &str, hits: &[usize]) -> Markup {
    let hits = hits.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    html! {
        div.field {
            label for=(name) { (label) }
            div.editor data-editor data-hits=(hits) {
                div.gutter aria-hidden="true" {}
                textarea.source id=(name) name=(name) rows="22" spellcheck="false" autocapitalize="off"
                    autocomplete="off" { (text(value)) }
            }
        }
    }
}

/// What is wrong with a field, where the field points.
pub fn field_error(name: &str, error: Option<&str>) -> Markup {
    html! {
        @if let Some(error) = error {
            p.field-error id={ (name) "-error" } { (icon("alert")) span { (error) } }
        }
    }
}

/// What is wrong with one field of a form.
pub fn error_of<'a>(errors: &'a [FieldError], pointer: &str) -> Option<&'a str> {
    errors.iter().find(|error| error.pointer == pointer).map(|error| error.message.as_str())
}

/// What is wrong with the field of [`trap`]. It stands first in its form, since the field itself is not seen; that is empty again.
pub fn trap_error(errors: &[FieldError]) -> Markup {
    html! {
        @if error_of(errors, "/website").is_some() {
            p.field-error role="alert" {
                (icon("alert"))
                span { "A field that people do not see was filled in, perhaps by your browser. It is empty now: send the form once more." }
            }
        }
    }
}

/// The field that people do not see, and must not fill in. Programs that fill in every field show themselves by it.
pub fn trap() -> Markup {
    html! {
        div.visually-hidden aria-hidden="true" {
            label { "Leave this empty" input type="text" name="website" tabindex="-1" autocomplete="off"; }
        }
    }
}

/// The value of `aria-describedby`.
pub fn described_by(name: &str, hint: bool, error: bool) -> Option<String> {
    match (hint, error) {
        (true, true) => Some(format!("{name}-hint {name}-error")),
        (true, false) => Some(format!("{name}-hint")),
        (false, true) => Some(format!("{name}-error")),
        (false, false) => None,
    }
}

/// The hidden field that proves that a form came from this site.
pub fn csrf(token: &str) -> Markup {
    html! { input type="hidden" name="csrf" value=(token); }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_forms_of_one_page_may_have_fields_of_one_name() {
        let shown = Field::email("").id("support-email").hint("Where?").error(Some("is none")).render();
        let shown = shown.into_string();
        for part in [
            "for=\"support-email\"",
            "id=\"support-email\" name=\"email\" type=\"email\"",
            "aria-describedby=\"support-email-hint support-email-error\"",
            "id=\"support-email-error\"",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }

    #[test]
    fn a_field_with_an_error_keeps_its_value_and_points_to_the_reason() {
        let shown = Field::text("email", "E-mail", "a\"><script>").error(Some("is no address")).render();
        let shown = shown.into_string().replace(crate::pages::assets::icons(), "ICONS");
        insta::assert_snapshot!(shown, @r##"<div class="field"><label for="email">E-mail</label><input id="email" name="email" type="text" value="a&quot;&gt;&lt;script&gt;" autofocus aria-invalid="true" aria-describedby="email-error"><p class="field-error" id="email-error"><svg class="icon" aria-hidden="true"><use href="ICONS#alert"></use></svg><span>is no address</span></p></div>"##);
    }
}
