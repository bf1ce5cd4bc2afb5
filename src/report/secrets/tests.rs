//! What is found, what is left alone, and what holds for whatever text.

use proptest::prelude::*;

use super::*;

/// A text, and what is left of it.
const FOUND: &[(&str, &str)] = &[
    ("password=hunter2", "password=<redacted>"),
    ("--password hunter2 -v", "--password <redacted> -v"),
    ("--password=hunter2 -v", "--password=<redacted> -v"),
    ("DB_PASSWORD=a,b&c exec", "DB_PASSWORD=<redacted> exec"),
    ("Uid=x;Pwd=y;Database=z", "Uid=x;Pwd=<redacted>;Database=z"),
    ("-o username=x,password=y,uid=0", "-o username=x,password=<redacted>,uid=0"),
    ("https://h/p?token=abc&x=1", "https://h/p?token=<redacted>&x=1"),
    (r#"{"password":"a\"b","x":1}"#, r#"{"password":"<redacted>","x":1}"#),
    (r#"{\"api_key\": \"abc\"}"#, r#"{\"api_key\": \"<redacted>\"}"#),
    (r#"["--password", "hunter 2", "x"]"#, r#"["--password", "<redacted>", "x"]"#),
    (r#"["--password=hunter 2", "x"]"#, r#"["--password=<redacted>", "x"]"#),
    ("sh -c 'export API_KEY=abc'", "sh -c 'export API_KEY=<redacted>'"),
    ("clientSecret: abc123", "clientSecret: <redacted>"),
    ("password: hunter", "password: <redacted>"),
    ("X-Vault-Token: s.abcdef", "X-Vault-Token: <redacted>"),
    ("PASSWORD=$'it\\'s' x", "PASSWORD=$'<redacted>' x"),
    ("aws configure set aws_secret_access_key abc/def", "aws configure set aws_secret_access_key <redacted>"),
    ("openssl rsa -passin pass:abc", "openssl rsa -passin pass:<redacted>"),
    ("AccountName=n;AccountKey=abc==;E=x", "AccountName=n;AccountKey=<redacted>;E=x"),
    // Headers.
    ("curl -H Authorization: Bearer abc https://h", "curl -H Authorization: Bearer <redacted> https://h"),
    ("curl -H 'Authorization: Basic YTpi' https://h", "curl -H 'Authorization: Basic <redacted>' https://h"),
    (r#"-H "authorization: abc def""#, r#"-H "authorization: <redacted>""#),
    ("Cookie: a=b; c=d", "Cookie: <redacted>"),
    (r#"{"Authorization":"Bearer abc"}"#, r#"{"Authorization":"Bearer <redacted>"}"#),
    // Programs.
    ("mysql -uroot -phunter2 db", "mysql -uroot -p<redacted> db"),
    ("/usr/bin/mysqldump -p'a b' db", "/usr/bin/mysqldump -p'<redacted>' db"),
    (r#"["mysql", "-uroot", "-phunter2"]"#, r#"["mysql", "-uroot", "-p<redacted>"]"#),
    ("sudo sshpass -p hunter2 ssh -p 22 h", "sudo sshpass -p <redacted> ssh -p <redacted> h"),
    ("curl -u bob:hunter2 https://h", "curl -u bob:<redacted> https://h"),
    ("curl --user 'bob:a b' https://h", "curl --user 'bob:<redacted>' https://h"),
    ("docker login -u x -p abc r", "docker login -u x -p <redacted> r"),
    ("smbclient -U bob%abc //h/s", "smbclient -U bob%<redacted> //h/s"),
    ("sh -c 'mysql -pabc; ls -pabc'", "sh -c 'mysql -p<redacted>; ls -pabc'"),
    // Shapes.
    ("x ghp_0123456789abcdefghij0123456789abcdef y", "x <redacted> y"),
    ("glpat-abcdefghij0123456789", "<redacted>"),
    ("xoxb-123456789012-abcdefABCDEF", "<redacted>"),
    (
        "https://hooks.slack.com/services/T0/B0/abcdefghijklmnop",
        "https://hooks.slack.com/services/<redacted>",
    ),
    ("AKIAIOSFODNN7EXAMPLE", "<redacted>"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def", "<redacted>"),
    ("postgres://bob:hunt@r2@db/x", "postgres://bob:<redacted>@db/x"),
    ("redis://:hunter2@h", "redis://:<redacted>@h"),
    (
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- x",
        "-----BEGIN RSA PRIVATE KEY-----<redacted>-----END RSA PRIVATE KEY----- x",
    ),
    ("-----BEGIN PRIVATE KEY-----\nMIIE", "-----BEGIN PRIVATE KEY-----<redacted>"),
];

/// What only looks like one.
const LEFT_ALONE: &[&str] = &[
    "",
    "ls -l /etc/passwd /etc/shadow",
    "/etc/passwd: +::::::",
    "/etc/passwd:12: no shell",
    "passwd:         files systemd",
    "passwd: files",
    "ftp --passive host",
    "cat token secret password",
    "/home/a/secret/token/key.pem",
    "-p 22",
    "ssh -p 2222 host",
    "ssh -o PasswordAuthentication=no -o PreferredAuthentications=publickey h",
    "mkdir -p /var/lib/mysql",
    "find /var/lib/mysql -print",
    "docker run -p 80:80 nginx",
    "git show 0123456789abcdef0123456789abcdef01234567",
    "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "/usr/lib/AKIA/aGVsbG8gd29ybGQgdGhpcyBpcyBsb25n/eyJ",
    "http://host:8080/a@b",
    "ssh://git@host/x",
    "PWD=/root",
    "OLDPWD=/",
    "--token-file=/run/token --password-stdin",
    "--private-key /home/a/.ssh/id_rsa",
    "max_tokens=4096 tokenizer=bpe bypass=1 compass: 3",
    "ls: cannot access 'secret': No such file",
    "secret: Permission denied",
    "unexpected token: `)`",
    "std::token::Foo key=1 keyboard=us monkey=x",
    "--password --user bob",
    "password=true",
    "password == other",
    "authentication: required",
    "curl -u bob https://h",
    "/usr/lib/mysql/plugin -pedantic",
    "sk-learn-environment-with-a-long-name",
    "-----BEGIN CERTIFICATE-----\nMIIE",
];

#[test]
fn secrets_are_found_and_their_names_stay() {
    for (text, wanted) in FOUND {
        assert_eq!(redacted(text), *wanted, "{text}");
    }
}

#[test]
fn what_only_looks_like_one_stays() {
    for text in LEFT_ALONE {
        assert_eq!(redacted(text), *text);
        assert!(matches!(redacted(text), Cow::Borrowed(_)), "{text}");
    }
}

fn of_list(texts: &[&str]) -> Vec<String> {
    let bytes: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
    match redacted_list(&bytes) {
        Some(all) => all.into_iter().map(|text| String::from_utf8(text).unwrap()).collect(),
        None => texts.iter().map(|text| (*text).to_owned()).collect(),
    }
}

#[test]
fn an_argument_is_known_by_the_one_before_it() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["x", "--password", "a b", "y"], &["x", "--password", "<redacted>", "y"]),
        (&["x", "--password=a b", "y"], &["x", "--password=<redacted>", "y"]),
        (&["x", "--password", "--user", "y"], &["x", "--password", "--user", "y"]),
        (&["/usr/bin/mysql", "-pa b", "db"], &["/usr/bin/mysql", "-p<redacted>", "db"]),
        (&["curl", "-u", "bob:a b"], &["curl", "-u", "bob:<redacted>"]),
        (&["curl", "-H", "Authorization: Token a b"], &["curl", "-H", "Authorization: Token <redacted>"]),
        (&["HOME=/root", "MYSQL_PWD=a b; c"], &["HOME=/root", "MYSQL_PWD=<redacted>"]),
        (&["sh", "-c", "PASSWORD=abc; nc -e sh"], &["sh", "-c", "PASSWORD=<redacted>; nc -e sh"]),
        (&["ssh", "-p", "2222", "host"], &["ssh", "-p", "2222", "host"]),
        (&["cat", "token", "x"], &["cat", "token", "x"]),
    ];
    for (list, wanted) in cases {
        assert_eq!(of_list(list), *wanted);
    }
}

#[test]
fn bytes_that_are_no_text_stay_as_they_are() {
    let redacted = redacted_bytes(b"\xff\xfe --password=\xffabc \x80");
    assert_eq!(*redacted, *b"\xff\xfe --password=<redacted> \x80");
    assert_eq!(*redacted_bytes(b"\xff\x00\x80"), *b"\xff\x00\x80");
}

fn masked(text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    mask_list(&mut [&mut text]);
    text
}

#[test]
fn a_masked_text_is_as_long_and_reads_the_same() {
    for (text, wanted) in FOUND {
        let masked = masked(text.as_bytes());
        assert_eq!(masked.len(), text.len());
        assert_eq!(String::from_utf8_lossy(&redacted_bytes(&masked)), *wanted, "{text}");
    }
}

/// Hostile repetitions: each takes as long for each byte as the first.
#[test]
fn no_text_takes_long() {
    for part in [
        "'pass=x \\'",
        "\"pass=\"",
        "mysql curl '",
        "pass",
        "mysql ",
        "://a:",
        "eyJaaaaaaaa.",
        "-----BEGIN PRIVATE KEY-----",
        "pass='",
        "\\\"pass=\\\"",
        "authorization: \"",
        "--token ",
        "cookie: a; ",
        "<redacted",
        "password: ",
        "\\\\\"pass=\\\"",
    ] {
        let text = part.repeat(1_000_000 / part.len());
        let begun = std::time::Instant::now();
        let redacted = redacted(&text);
        let took = begun.elapsed();
        assert!(took.as_secs() < 3, "{part}: {took:?}, {}", redacted.len());
    }
}

/// Pieces of which texts are made that come near to secrets.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "password",
        "--password",
        "-p",
        "=",
        ":",
        " ",
        "\"",
        "'",
        "\\",
        "token",
        "&",
        ",",
        ";",
        "mysql",
        "curl",
        "-u",
        "a:b",
        "://",
        "@",
        "Authorization",
        "Bearer",
        "Basic",
        "ghp_",
        "0123456789abcdef",
        "eyJ",
        ".",
        "<redacted>",
        "<redacted**>",
        "****",
        "\n",
        "-----BEGIN PRIVATE KEY-----",
        "-----END",
        "[",
        "]",
        "Cookie",
        "API_KEY",
        "x",
        "=>",
        "$'",
        "login",
        "docker",
        "true",
        "/",
        "AKIAIOSFODNN7EXAMPLE",
        "|",
        "é",
        "\u{efff}",
        "sshpass",
    ];
    prop_oneof![
        8 => prop::sample::select(words.to_vec()).prop_map(str::to_owned),
        1 => "[ -~]{0,12}",
        1 => "\\PC{0,4}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn redacting_twice_is_redacting_once(pieces in prop::collection::vec(piece(), 0..14)) {
        let text = pieces.concat();
        let once = redacted(&text).into_owned();
        prop_assert_eq!(redacted(&once), once.as_str(), "{}", text);
    }

    #[test]
    fn a_mask_hides_what_redacting_does(pieces in prop::collection::vec(piece(), 0..14)) {
        let text = pieces.concat();
        let masked = masked(text.as_bytes());
        prop_assert_eq!(masked.len(), text.len());
        let again = redacted_bytes(&masked);
        prop_assert_eq!(String::from_utf8_lossy(&again), redacted(&text), "{}", String::from_utf8_lossy(&masked));
    }

    #[test]
    fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..200), pieces in prop::collection::vec(piece(), 0..6)) {
        let mut text = pieces.concat().into_bytes();
        text.extend_from_slice(&bytes);
        let _ = redacted_bytes(&text);
        let list: Vec<&[u8]> = text.split(|byte| *byte == b' ').collect();
        let _ = redacted_list(&list);
    }

    /// Whatever the secret is, wherever it stands, however it is quoted.
    #[test]
    fn no_secret_is_let_through(
        secret in "[A-Za-z0-9!#%^*+/_.?-]{4,24}",
        name in prop::sample::select(vec!["password", "PGPASSWORD", "api_key", "clientSecret", "X-Auth-Token", "db.passwd", "MYSQL_PWD"]),
        quote in prop::sample::select(vec!["", "'", "\"", "\\\""]),
        between in prop::sample::select(vec!["=", " = ", ":", "=>"]),
        before in prop_oneof![Just(String::new()), "[ -~é]{0,20}".prop_map(|text| format!("{text} "))],
        after in prop_oneof![Just(String::new()), "[ -~é]{0,20}".prop_map(|text| format!(" {text}"))],
    ) {
        let secret = format!("Zq7{secret}");
        let text = format!("{before}{name}{between}{quote}{secret}{quote}{after}");
        prop_assert!(!redacted(&text).contains("Zq7"), "{text} -> {}", redacted(&text));
        let dashed = format!("{before}--{} {quote}{secret}{quote}{after}", name.to_lowercase().replace("auth", ""));
        if is_told(&name.to_lowercase()) {
            prop_assert!(!redacted(&dashed).contains("Zq7"), "{dashed} -> {}", redacted(&dashed));
        }
        let list = ["prog", "--password", &secret, "--token", &text];
        prop_assert!(!of_list(&list).concat().contains("Zq7"));
    }

    #[test]
    fn a_token_is_found_wherever_it_stands(
        token in prop::sample::select(vec![
            "ghp_0123456789abcdefghij0123456789abcdef", "glpat-abcdefghij0123456789", "xoxp-123456789012-abcdefABCDEF",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def", "github_pat_11ABCDEFG0abcdefghijkl",
        ]),
        before in "[ -~é]{0,20}",
        after in "[ !-,/:-@é][ -~]{0,20}",
    ) {
        let text = format!("{before}{token}{after}");
        let middle = &token[8..20];
        prop_assert!(!redacted(&text).contains(middle), "{text} -> {}", redacted(&text));
    }
}

/// Whether a name in small letters is still one of a secret: `clientsecret` is, by its end.
fn is_told(name: &str) -> bool {
    super::keyed::is_secret(name.as_bytes())
}
