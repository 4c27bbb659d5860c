//! Which settings a shim starts with.

use stripe_gateway::{ConfigError, Mode, WebhookConfig};

fn read(settings: &[(&str, &str)]) -> Result<WebhookConfig, ConfigError> {
    WebhookConfig::from_env(|name| settings.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
}

fn check(settings: &[(&str, &str)], expected: Result<Option<Mode>, ConfigError>) {
    assert_eq!(read(settings).map(|config| config.mode), expected, "{settings:?}");
}

const NAME: &str = "STRIPE_WEBHOOK_SECRET";
const THIN: &str = "STRIPE_WEBHOOK_SECRET_THIN";
const SECRET: (&str, &str) = (NAME, "whsec_1");

#[test]
fn without_a_mode_the_key_names_it_if_there_is_one() {
    check(&[SECRET], Ok(None));
    check(&[SECRET, ("STRIPE_SECRET_KEY", "")], Ok(None));
    check(&[SECRET, ("STRIPE_SECRET_KEY", "sk_live_1")], Ok(Some(Mode::Live)));
    check(&[SECRET, ("STRIPE_SECRET_KEY", "rk_test_1")], Ok(Some(Mode::Test)));
    let placeholder = ConfigError::KeyPlaceholder("STRIPE_SECRET_KEY");
    check(&[SECRET, ("STRIPE_SECRET_KEY", "sk_test_REPLACE_ME")], Err(placeholder));
    let wrong = ConfigError::KeyWrong("STRIPE_SECRET_KEY", "sk_test_, sk_live_, rk_test_ or rk_live_");
    check(&[SECRET, ("STRIPE_SECRET_KEY", "pk_test_1")], Err(wrong));
}

#[test]
fn with_a_mode_the_secrets_of_that_mode_are_taken() {
    let test = ("STRIPE_TEST_WEBHOOK_SECRET", "whsec_1");
    let live = ("STRIPE_LIVE_WEBHOOK_SECRET", "whsec_2");
    check(&[("STRIPE_MODE", "test"), test, live], Ok(Some(Mode::Test)));
    check(&[("STRIPE_MODE", "LIVE"), test, live], Ok(Some(Mode::Live)));
    check(&[("STRIPE_MODE", "live"), test, SECRET], Err(ConfigError::SigningSecretMissing(live.0)));
    check(&[("STRIPE_MODE", "test"), live, SECRET], Err(ConfigError::SigningSecretMissing(test.0)));
    check(&[("STRIPE_MODE", "production"), test, live], Err(ConfigError::ModeWrong));
    let thin = ("STRIPE_LIVE_WEBHOOK_SECRET_THIN", "sk_live_1");
    check(&[("STRIPE_MODE", "test"), test, thin], Ok(Some(Mode::Test)));
    check(&[("STRIPE_MODE", "live"), live, thin], Err(ConfigError::SigningSecretWrong(thin.0)));
}

#[test]
fn a_shim_without_a_secret_of_its_snapshot_endpoint_does_not_start() {
    check(&[], Err(ConfigError::SigningSecretMissing(NAME)));
    check(&[(NAME, "")], Err(ConfigError::SigningSecretMissing(NAME)));
    check(&[(THIN, "whsec_1")], Err(ConfigError::SigningSecretMissing(NAME)));
}

#[test]
fn every_entry_of_a_list_is_a_secret() {
    for list in ["whsec_1", "whsec_1,whsec_2", " whsec_1 , whsec_2\n", "whsec_MfKQ+/8=", "whsec_a_b-c"] {
        check(&[(NAME, list), (THIN, list)], Ok(None));
    }
    let refused = [
        (ConfigError::SigningSecretEmpty as fn(_) -> _, &[" ", ",", "whsec_1,", ",whsec_1", "whsec_1,,whsec_2"][..]),
        (
            ConfigError::SigningSecretPlaceholder,
            &["whsec_REPLACE_ME", "whsec_...", "whsec_…", "...", "whsec_1,replace"],
        ),
        (ConfigError::SigningSecretWrong, &["whsec_", "whsec", "hello", "sk_test_1", "whsec_1 2", "whsec_1,Whsec_2"]),
        (ConfigError::SigningSecretWrong, &["whsec_\0", "whsec_ü", "whsec_1;whsec_\t2"]),
    ];
    for (error, lists) in refused {
        for list in lists {
            check(&[(NAME, list)], Err(error(NAME)));
            check(&[SECRET, (THIN, list)], Err(error(THIN)));
        }
    }
}

#[test]
fn a_secret_is_never_shown() {
    let config = read(&[(NAME, "whsec_canary1,whsec_canary2"), (THIN, "whsec_canary3")]).expect("secrets");
    let shown = format!("{config:?} {config:#?}");
    assert!(shown.contains("whsec_…") && !shown.contains("canary"), "{shown}");
    for list in ["whsec_canary,", "whsec_canary...", "canary", "whsec_canary one"] {
        let error = read(&[(NAME, list)]).expect_err("a wrong list");
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(NAME) && !shown.contains("canary"), "{shown}");
    }
}
