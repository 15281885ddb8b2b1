//! The form of a token: three parts of base64url, of a bounded length.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE},
};
use keygate_users::{Refusal, jwt::Part};
use serde_json::json;

use super::super::issuer::{P256, encoded};
use super::{Forge, Hostile, rejected};

pub(super) fn table(forge: &Forge) -> Vec<Hostile> {
    [parts(forge), base64(forge), long(forge)].concat()
}

fn parts(forge: &Forge) -> Vec<Hostile> {
    let [header, claims, signature] = forge.parts();
    let token = forge.parts().join(".");
    let encrypted = encoded(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#);
    let others = [
        String::new(),
        header.clone(),
        format!("{header}.{claims}"),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.a.b"),
        format!("{encrypted}.a.b.c.d"),
        json!({"payload": "a", "signatures": []}).to_string(),
    ];
    [
        rejected("not three parts", Refusal::NotThreeParts, others),
        rejected("only dots", Refusal::EmptyPart(Part::Header), [".."]),
        rejected(
            "no claims",
            Refusal::EmptyPart(Part::Claims),
            [format!("{header}..{signature}")],
        ),
        rejected(
            "bytes that are not text",
            Refusal::NotBase64(Part::Header),
            [[0xff, b'.', 0xfe, b'.', 0xfd]],
        ),
    ]
    .concat()
}

/// A part as another decoder would also take it.
const SPELLINGS: [fn(&str) -> String; 10] = [
    |text| format!("{text}="),
    |text| format!("{text}=="),
    |text| format!(" {text}"),
    |text| format!("{text} "),
    |text| format!("{text}\n"),
    |text| format!("{text}\0"),
    |text| {
        let (start, end) = text.split_at(4);
        format!("{start}\n{end}")
    },
    |text| text.replacen('e', "%65", 1) + "%",
    |text| format!("{text}é"),
    |text| {
        let more = (4 - text.len() % 4) % 4 + 1;
        format!("{text}{}", "A".repeat(more))
    },
];

fn base64(forge: &Forge) -> Vec<Hostile> {
    let spelled = [Part::Header, Part::Claims, Part::Signature]
        .into_iter()
        .enumerate()
        .flat_map(|(n, part)| {
            let tokens = SPELLINGS.map(|spell| {
                let mut parts = forge.parts();
                parts[n] = spell(&parts[n]);
                parts.join(".")
            });
            let rule = format!("another spelling of the {part}");
            rejected(&rule, Refusal::NotBase64(part), tokens)
        });
    let signed = |claims: String| {
        let message = format!("{}.{claims}", encoded(P256.header().to_string()));
        format!("{message}.{}", P256.sign(&message))
    };
    // Blanks behind the claims shift what is encoded.
    let spelled_as = |encode: &dyn Fn(String) -> String, mark: &[char]| {
        // `>>>` and `???` are `-` and `_` in one alphabet, `+` and `/` in the other.
        let claims = forge.claims_with("x", ">>>???".into());
        let mut spelled = (0..3).map(|blanks| encode(format!("{claims}{}", " ".repeat(blanks))));
        signed(spelled.find(|claims| claims.contains(mark)).unwrap())
    };
    let with_right_signature = [
        spelled_as(&|text| STANDARD_NO_PAD.encode(text), &['+', '/']),
        spelled_as(&|text| URL_SAFE.encode(text), &['=']),
    ];
    let signed = rejected(
        "another spelling under a right signature",
        Refusal::NotBase64(Part::Claims),
        with_right_signature,
    );
    spelled.chain(signed).collect()
}

fn long(forge: &Forge) -> Vec<Hostile> {
    let lengths = [16 * 1024 + 1, 1 << 20];
    let texts = lengths
        .into_iter()
        .flat_map(|length| ["a", ".", "{"].map(|of| of.repeat(length)));
    let valid_but_long = forge.with_claim("x", "x".repeat(12 * 1024).into());
    rejected("too long", Refusal::TooLong, texts.chain([valid_but_long]))
}
