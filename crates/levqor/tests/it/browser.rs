//! A real browser for the tests: Debian's Chromium, driven by its own driver.

use std::{
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use fantoccini::{
    Client, ClientBuilder, Locator,
    error::{CmdError, ErrorStatus},
};
use levqor_testkit::wait_until;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How a page is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub name: &'static str,
    pub dark: bool,
    pub phone: bool,
}

pub const LOOKS: &[Look] = &[
    Look { name: "light", dark: false, phone: false },
    Look { name: "dark", dark: true, phone: false },
    Look { name: "phone", dark: false, phone: true },
];

/// A browser and its driver; both end when dropped.
pub struct Browser {
    pub client: Client,
    driver: Child,
    _profile: TempDir,
}

impl Browser {
    pub async fn open(look: Look) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed (`cargo xtask packages` does it)");
        wait_until("chromedriver to listen", || TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
        let profile = tempfile::tempdir().unwrap();
        let mut arguments: Vec<String> = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--window-size=1280,900",
        ]
        .map(str::to_owned)
        .into();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        arguments.push(format!("--blink-settings=preferredColorScheme={}", if look.dark { 0 } else { 1 }));
        let mut options = json!({ "args": arguments });
        if look.phone {
            options["mobileEmulation"] =
                json!({ "deviceMetrics": { "width": 360, "height": 780, "pixelRatio": 2.0 } });
        }
        let capabilities = json!({ "goog:chromeOptions": options });
        let Value::Object(capabilities) = capabilities else { unreachable!("an object was written") };
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("a browser session");
        Self { client, driver, _profile: profile }
    }

    pub async fn go(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    pub async fn click(&self, css: &str) {
        // A live page puts a new element in the place of one that was just found.
        const TRIES: usize = 10;
        for _ in 1..TRIES {
            match self.try_click(css).await {
                Err(CmdError::Standard(reason)) if reason.error == ErrorStatus::StaleElementReference => {}
                done => return done.unwrap(),
            }
        }
        self.try_click(css).await.unwrap();
    }

    async fn try_click(&self, css: &str) -> Result<(), CmdError> {
        let element = self.client.wait().for_element(Locator::Css(css)).await?;
        // The driver's own scrolling does not wait for a page that scrolls smoothly.
        let scroll = "arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })";
        self.client.execute(scroll, vec![serde_json::to_value(&element).unwrap()]).await?;
        element.click().await
    }

    pub async fn type_into(&self, css: &str, text: &str) {
        let field = self.client.wait().for_element(Locator::Css(css)).await.unwrap();
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    pub async fn script(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// Keeps a picture of the page in `target/screenshots`.
    pub async fn picture(&self, name: &str) {
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/screenshots"));
        std::fs::create_dir_all(&folder).unwrap();
        let picture = self.client.screenshot().await.unwrap();
        std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }

    /// What every page owes its readers: it fits the width, its fields have names, its pictures have texts.
    pub async fn check_manners(&self, page: &str) {
        let faults = self.script(MANNERS).await;
        assert_eq!(faults, json!([]), "{page}");
    }

    /// What axe finds against WCAG 2.2, levels A and AA, and against good practice.
    pub async fn axe(&self) -> Vec<String> {
        self.client.execute(AXE, Vec::new()).await.unwrap();
        let found = self.client.execute_async(RUN_AXE, Vec::new()).await.unwrap();
        serde_json::from_value(found).unwrap()
    }

    /// [`Browser::axe`] must find nothing.
    pub async fn check_axe(&self, page: &str) {
        assert_eq!(self.axe().await, Vec::<String>::new(), "{page}");
    }

    pub async fn close(mut self) {
        let client = self.client.clone();
        let _ = client.close().await;
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

const AXE: &str = include_str!("../third_party/axe-core/axe.min.js");

const RUN_AXE: &str = r#"
const done = arguments[arguments.length - 1];
const values = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
axe.run(document, { runOnly: { type: 'tag', values }, resultTypes: ['violations'] }).then(
  (result) => done(result.violations.map(
    (found) => `${found.id}: ${found.help}: ` + found.nodes.slice(0, 4).map((node) => node.target.join(' ')).join(' | '),
  )),
  (error) => done([`axe failed: ${error}`]),
);
"#;

const MANNERS: &str = r#"
const faults = [];
const wide = document.documentElement.scrollWidth - window.innerWidth;
if (wide > 1) {
  const worst = [...document.querySelectorAll('body *')]
    .filter(e => e.getBoundingClientRect().right > window.innerWidth + 1)
    .slice(0, 3).map(e => e.tagName + '.' + e.className);
  faults.push('wider than the window by ' + wide + ': ' + worst.join(', '));
}
for (const field of document.querySelectorAll('input:not([type=hidden]), select, textarea')) {
  const named = field.labels?.length || field.getAttribute('aria-label') || field.getAttribute('aria-labelledby');
  if (!named) faults.push('a field without a label: ' + field.outerHTML.slice(0, 80));
}
for (const image of document.querySelectorAll('img:not([alt])')) faults.push('a picture without a text: ' + image.src);
for (const link of document.querySelectorAll('a[href], button')) {
  const named = link.textContent.trim() || link.getAttribute('aria-label') || link.querySelector('svg[aria-label], svg title');
  if (!named) faults.push('a link or button without a name: ' + link.outerHTML.slice(0, 80));
}
if (document.querySelectorAll('h1').length !== 1) faults.push(document.querySelectorAll('h1').length + ' h1 headings');
if (!document.documentElement.lang) faults.push('no language');
if (!document.querySelector('main')) faults.push('no main landmark');
const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
const twice = ids.filter((id, i) => ids.indexOf(id) !== i);
if (twice.length) faults.push('ids used twice: ' + twice.join(', '));
return faults;
"#;
