fn main() {
    std::process::exit(krsi_sh::cli::run(std::env::args_os()));
}
