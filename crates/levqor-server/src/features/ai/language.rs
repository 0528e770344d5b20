//! The languages of answers, and the words that let a question in one of them find the English documentation.

/// A language that answers are framed in (SPEC §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    En,
    De,
    Fr,
    Es,
    Pt,
    It,
    Hi,
    Ar,
    ZhHans,
}

/// The sentences around the quotes.
#[derive(Debug, Clone, Copy)]
pub struct Phrases {
    pub found: &'static str,
    pub unknown: &'static str,
}

impl Language {
    pub const ALL: [Language; 9] = [
        Language::En,
        Language::De,
        Language::Fr,
        Language::Es,
        Language::Pt,
        Language::It,
        Language::Hi,
        Language::Ar,
        Language::ZhHans,
    ];

    /// The language of a tag such as `de-AT` or `zh_CN`; English for every other.
    ///
    /// Source: RFC 5646 (language tags), of which only the primary subtag counts here.
    pub fn normalised(tag: &str) -> Self {
        let primary = tag.trim().split(['-', '_']).next().unwrap_or_default().to_lowercase();
        match primary.as_str() {
            "zh" => Language::ZhHans,
            other => Self::ALL.into_iter().find(|language| language.code() == other).unwrap_or(Language::En),
        }
    }

    pub const fn code(self) -> &'static str {
        match self {
            Language::En => "en",
            Language::De => "de",
            Language::Fr => "fr",
            Language::Es => "es",
            Language::Pt => "pt",
            Language::It => "it",
            Language::Hi => "hi",
            Language::Ar => "ar",
            Language::ZhHans => "zh-hans",
        }
    }

    pub const fn phrases(self) -> Phrases {
        let (found, unknown) = match self {
            Language::En => {
                ("From the documentation:", "I don't know: the documentation does not answer this.")
            }
            Language::De => {
                ("Aus der Dokumentation:", "Das weiß ich nicht: die Dokumentation beantwortet das nicht.")
            }
            Language::Fr => (
                "Extrait de la documentation :",
                "Je ne sais pas : la documentation ne répond pas à cette question.",
            ),
            Language::Es => ("De la documentación:", "No lo sé: la documentación no responde a esto."),
            Language::Pt => ("Da documentação:", "Não sei: a documentação não responde a isto."),
            Language::It => ("Dalla documentazione:", "Non lo so: la documentazione non risponde a questo."),
            Language::Hi => ("दस्तावेज़ से:", "मुझे नहीं पता: दस्तावेज़ में इसका उत्तर नहीं है।"),
            Language::Ar => ("من الوثائق:", "لا أعرف: الوثائق لا تجيب عن هذا."),
            Language::ZhHans => ("来自文档：", "我不知道：文档没有回答这个问题。"),
        };
        Phrases { found, unknown }
    }
}

/// Stems of words for what people ask about, with the English word that the documentation uses. A stem matches at the
/// start of a word, and anywhere in a text of a script without spaces.
pub const GLOSSARY: &[(&str, &str)] = &[
    // price
    ("preis", "price"),
    ("kost", "price"),
    ("prix", "price"),
    ("tarif", "price"),
    ("coût", "price"),
    ("precio", "price"),
    ("cuest", "price"),
    ("preço", "price"),
    ("cust", "price"),
    ("prezz", "price"),
    ("कीमत", "price"),
    ("मूल्य", "price"),
    ("سعر", "price"),
    ("السعر", "price"),
    ("价格", "price"),
    ("费用", "price"),
    ("多少钱", "price"),
    // plan
    ("tarife", "plan"),
    ("forfait", "plan"),
    ("abonn", "plan"),
    ("plano", "plan"),
    ("piano", "plan"),
    ("योजना", "plan"),
    ("خطة", "plan"),
    ("套餐", "plan"),
    // trial
    ("probe", "trial"),
    ("testphase", "trial"),
    ("essai", "trial"),
    ("prueba", "trial"),
    ("teste", "trial"),
    ("prova", "trial"),
    ("परीक्षण", "trial"),
    ("تجرب", "trial"),
    ("试用", "trial"),
    // workflow
    ("ablauf", "workflow"),
    ("arbeitsabl", "workflow"),
    ("flux", "workflow"),
    ("flujo", "workflow"),
    ("fluxo", "workflow"),
    ("fluss", "workflow"),
    ("वर्कफ़्लो", "workflow"),
    ("سير", "workflow"),
    ("工作流", "workflow"),
    // schedule
    ("zeitplan", "schedule"),
    ("planifi", "schedule"),
    ("program", "schedule"),
    ("horario", "schedule"),
    ("agend", "schedule"),
    ("समय-सारणी", "schedule"),
    ("جدول", "schedule"),
    ("计划", "schedule"),
    ("定时", "schedule"),
    // region
    ("région", "region"),
    ("región", "region"),
    ("regiões", "region"),
    ("região", "region"),
    ("regione", "region"),
    ("क्षेत्र", "region"),
    ("منطق", "region"),
    ("区域", "region"),
    ("地区", "region"),
    // retry
    ("wiederhol", "retry"),
    ("réessay", "retry"),
    ("reintent", "retry"),
    ("repetir", "retry"),
    ("riprov", "retry"),
    ("पुनः", "retry"),
    ("إعادة", "retry"),
    ("重试", "retry"),
    // key
    ("schlüssel", "key"),
    ("clé", "key"),
    ("clave", "key"),
    ("chave", "key"),
    ("chiave", "key"),
    ("कुंजी", "key"),
    ("مفتاح", "key"),
    ("密钥", "key"),
    // error, run, limit, language, start
    ("fehler", "error"),
    ("erreur", "error"),
    ("errore", "error"),
    ("erro", "error"),
    ("त्रुटि", "error"),
    ("خطأ", "error"),
    ("错误", "error"),
    ("ausführ", "run"),
    ("lauf", "run"),
    ("exécut", "run"),
    ("ejecu", "run"),
    ("execu", "run"),
    ("esecu", "run"),
    ("تشغيل", "run"),
    ("运行", "run"),
    ("grenz", "limit"),
    ("limite", "limit"),
    ("límite", "limit"),
    ("सीमा", "limit"),
    ("حد", "limit"),
    ("限制", "limit"),
    ("sprach", "language"),
    ("langue", "language"),
    ("idioma", "language"),
    ("lingu", "language"),
    ("भाषा", "language"),
    ("لغة", "language"),
    ("语言", "language"),
    ("startet", "start"),
    ("démarr", "start"),
    ("empez", "start"),
    ("começ", "start"),
    ("inizi", "start"),
    ("शुरू", "start"),
    ("بدء", "start"),
    ("启动", "start"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_normalised_and_unknown_ones_are_english() {
        for (tag, code) in [
            ("de", "de"),
            ("DE-at", "de"),
            ("zh_CN", "zh-hans"),
            ("zh-Hant", "zh-hans"),
            ("", "en"),
            ("xx", "en"),
            ("pt-BR", "pt"),
        ] {
            assert_eq!(Language::normalised(tag).code(), code, "{tag}");
        }
    }
}
