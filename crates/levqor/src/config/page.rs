//! `docs/configuration.md`, made from the list of keys so that it cannot lag behind.

use std::fmt::Write;

use super::keys::{KEYS, Shape};

/// The page as Markdown.
pub fn page() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         Values come from, strongest first: the command line, the environment, `levqor.toml` (or the file named by\n\
         `--config`), the defaults. `levqor check` prints the effective configuration with the origin of each value.\n\
         Unknown keys and variables are errors, so a slip of the finger does not go unnoticed.\n\n\
         | key | variable | default | value | meaning |\n| --- | --- | --- | --- | --- |\n",
    );
    for key in KEYS {
        let default =
            if key.default.is_empty() { "(empty)".to_owned() } else { format!("`{}`", key.default) };
        let value = match key.shape {
            Shape::Text => "text".to_owned(),
            Shape::Number(min, max) => format!("{min} to {max}"),
            Shape::Flag => "true or false".to_owned(),
            Shape::List => "list of texts; commas in the environment".to_owned(),
            Shape::Word(words) => words.join(" or "),
        };
        let mut about = key.about.to_owned();
        if key.secret {
            about.push_str("; never shown");
        }
        if !key.in_use {
            about.push_str(" (reserved: not used by this version)");
        }
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| `{}` | `{}` | {default} | {value} | {about} |", key.name, key.variable);
    }
    text.push_str(
        "\nRegions are a list in the file; when there is one, it replaces the built-in registry:\n\n\
         ```toml\n[[regions]]\ncode = \"eu-west\"\nname = \"Europe West\"\ndescription = \"London/Dublin\"\n\
         status = \"active\"\njurisdiction = \"EU\"\n```\n\n\
         AI providers are a list, too, best first; the one of `OPENAI_API_KEY` and `OPENAI_BASE_URL` comes after it and the\n\
         built-in backend last. `api_key` and `regions` (whose nodes ask it) may be left out:\n\n\
         ```toml\n[[ai.providers]]\nname = \"local\"\nbase_url = \"http://127.0.0.1:8080/v1\"\nmodel = \"small\"\n\
         api_key = \"…\"\nregions = [\"eu-west\"]\n```\n\n\
         Who is told of alerts is a list, too, besides `alerts.mail_to`, `alerts.webhook_url` and `alerts.slack_url`, and routes say\n\
         who is told of what; a route that is not there goes to all of them:\n\n\
         ```toml\n[[alerts.destinations]]\nname = \"pager\"\nwebhook = \"https://pager.example.com/hooks/…\"\nsecret = \"whsec_…\"\n\n\
         [[alerts.destinations]]\nname = \"team\"\nmail = [\"ops@example.com\"]\n\n\
         [alerts.routes]\ncritical = [\"pager\", \"team\"]\nmajor = [\"team\"]\nminor = []\ndigest = [\"team\"]\n```\n\n\
         Client commands take `--url` or `LEVQOR_URL` and `--key` or `LEVQOR_API_KEY`.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    /// To write the page anew: `LEVQOR_WRITE_DOCS=1 cargo test -p levqor the_page`.
    #[test]
    fn the_page_is_what_the_list_of_keys_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        if std::env::var_os("LEVQOR_WRITE_DOCS").is_some() {
            std::fs::write(path, super::page()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), super::page());
    }
}
