mod generated;
const RENEW: &str = "KRSI_BLESS=1 cargo test --release --test cli";
#[test]
fn completions_and_man_page_are_those_of_the_table() {
    for (path, fresh) in generated::files() {
        if std::env::var_os("KRSI_BLESS").is_some() {
            std::fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
            std::fs::write(path, &fresh).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == fresh, "{path} is stale; renew it with: {RENEW}");
    }
}
