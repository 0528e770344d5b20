//! The grammar of starts from outside ("when a new order arrives"): not available yet, so they are read to be named.

use super::{clause::Parser, cursor::Cursor, form::Step, lexer::Kind, words};

impl Parser<'_> {
    /// "When a new order arrives", "on a webhook": not available yet.
    pub(super) fn event(&mut self, list: &[Step]) -> bool {
        if !list.is_empty() || self.event.is_some() {
            return false;
        }
        let start = self.c.at();
        let Some(noun) = self.c.attempt(event) else { return false };
        let words = self.c.quote(start..self.c.at());
        self.notes.warn(format!(
            "starting on an event (\"{words}\") is not available yet; the workflow starts by hand"
        ));
        self.schedule_places.push(start..self.c.at());
        self.event = Some(noun);
        true
    }
}

/// What a workflow may wait for, up to the end of its clause. Gives the words of the thing that comes.
fn event(c: &mut Cursor<'_>) -> Option<Vec<String>> {
    const COMING: &[&str] = &[
        "arrives",
        "arrive",
        "comes",
        "come",
        "received",
        "receive",
        "receives",
        "get",
        "gets",
        "created",
        "submitted",
        "signs",
        "sign",
        "joins",
        "join",
        "happens",
        "uploaded",
        "uploads",
        "updated",
        "added",
        "adds",
        "changes",
        "changed",
        "triggered",
        "called",
        "sent",
        "sends",
        "posted",
        "posts",
        "pushed",
        "pushes",
        "published",
        "opened",
        "opens",
        "closed",
        "closes",
        "placed",
        "places",
        "made",
        "makes",
        "fires",
        "lands",
        "appears",
        "books",
        "subscribes",
        "cancels",
        "cancelled",
        "replies",
        "mentions",
        "registers",
        "registered",
        "emails",
        "fills",
        "buys",
        "deleted",
        "starts",
        "writes",
        "messages",
        "pays",
        "completes",
        "completed",
        "delivered",
        "merged",
    ];
    const SOURCES: &[&str] = &[
        "webhook",
        "webhooks",
        "event",
        "events",
        "email",
        "e-mail",
        "emails",
        "message",
        "form",
        "request",
        "notification",
        "trigger",
    ];
    let opener = c.eat_any_phrase(&[
        "triggered by",
        "trigger on",
        "starting on",
        "started by",
        "whenever",
        "when",
        "every time",
        "each time",
        "as soon as",
        "once",
        "upon",
        "on",
        "listen for",
        "for every",
        "for each",
        "if",
        "after",
        "via",
        "from",
        "wait for",
    ])?;
    let clause_like = matches!(
        opener,
        "whenever" | "when" | "every time" | "each time" | "as soon as" | "once" | "if" | "after"
    );
    let mut noun = Vec::new();
    let mut coming = false;
    let mut source = false;
    let subject = c.word();
    let personal = matches!(subject, Some("i" | "we" | "someone" | "somebody" | "anyone"));
    let fresh = matches!(subject, Some("a" | "an" | "new" | "any" | "there" | "incoming" | "every" | "each"));
    for _ in 0..10 {
        let Some(token) = c.peek().filter(|token| token.kind == Kind::Word) else { break };
        let word = token.text.as_str();
        let starts = noun.is_empty() && !coming;
        if coming
            && (words::opens_clause(word) || matches!(word, "and" | "then" | "if"))
            && !COMING.contains(&word)
        {
            break;
        }
        if matches!(word, "not" | "over" | "than" | "equals" | "contains" | "down" | "fails") {
            return None;
        }
        if !starts && COMING.contains(&word) || (personal && COMING.contains(&word)) {
            coming = true;
        } else if SOURCES.contains(&word) {
            source = true;
            noun.push(word.to_owned());
        } else if !words::is_function_word(word)
            && !matches!(word, "new" | "incoming" | "any" | "every" | "each" | "someone" | "somebody")
            && !coming
        {
            noun.push(word.to_owned());
        }
        c.take();
    }
    let really = match opener {
        "whenever" | "when" | "every time" | "each time" | "as soon as" | "once" | "if" | "after" => {
            coming && (personal || fresh || source || opener != "if")
        }
        "from" | "via" | "for each" | "for every" | "on" | "wait for" => {
            source && (fresh || coming || opener == "via")
        }
        _ => source || coming,
    };
    if !really || (clause_like && noun.is_empty() && !personal) {
        return None;
    }
    // What else the event's clause says belongs to it.
    while let Some(token) = c.peek() {
        let ends = match &token.kind {
            Kind::Comma | Kind::Stop | Kind::Colon => true,
            Kind::Word => {
                token.text == "then"
                    || words::opens_clause(&token.text)
                    || (token.text == "and" && c.word_at(1).is_some_and(words::opens_clause))
            }
            _ => false,
        };
        if ends {
            break;
        }
        c.take();
    }
    Some(noun)
}
