//! Whole URLs and variables, and what becomes of them.

use std::os::unix::fs::PermissionsExt;

use tokio_postgres::config::Host;

use super::*;

fn parse(url: &str, variables: &[(&str, &str)]) -> Result<ConnectionSettings, InvalidUrl> {
    ConnectionSettings::parse(url, |name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, text)| (*text).to_owned())
    })
}

/// `user/password@host=address:port,…/database`.
fn shown(url: &str, variables: &[(&str, &str)]) -> Result<String, InvalidUrl> {
    let settings = parse(url, variables)?;
    let client = settings.client();
    let password = client.get_password().map(|password| String::from_utf8_lossy(password).into_owned());
    let servers: Vec<_> = std::iter::zip(client.get_hosts(), client.get_ports())
        .enumerate()
        .map(|(index, (host, port))| {
            let host = match host {
                Host::Tcp(host) => host.clone(),
                Host::Unix(path) => path.display().to_string(),
            };
            let address = client.get_hostaddrs().get(index).map(|address| format!("={address}"));
            format!("{host}{}:{port}", address.unwrap_or_default())
        })
        .collect();
    Ok(format!(
        "{}/{}@{}/{}",
        client.get_user().unwrap(),
        password.unwrap_or_default(),
        servers.join(","),
        client.get_dbname().unwrap(),
    ))
}

#[test]
fn the_url_beats_the_variables_and_these_beat_the_defaults() {
    let all: &[(&str, &str)] = &[
        ("PGHOST", "elsewhere"),
        ("PGHOSTADDR", "192.0.2.1"),
        ("PGPORT", "6000"),
        ("PGDATABASE", "store"),
        ("PGUSER", "eve"),
        ("PGPASSWORD", "pw"),
    ];
    let ada: &[(&str, &str)] = &[("PGUSER", "ada"), ("PGHOST", ""), ("PGPASSWORD", "")];
    for (url, variables, want) in [
        ("postgresql://", all, "eve/pw@elsewhere=192.0.2.1:6000/store"),
        ("postgresql://bob:x@db:1/shop", all, "bob/x@db:1/shop"),
        ("postgresql://db/", all, "eve/pw@db:6000/store"),
        ("postgresql://bob:x@db/shop?hostaddr=192.0.2.2", all, "bob/x@db=192.0.2.2:6000/shop"),
        ("postgresql://db", ada, "ada/@db:5432/ada"),
        ("postgresql://one,two:7/s", ada, "ada/@one:5432,two:7/s"),
        ("postgresql://one,two/s?port=7", ada, "ada/@one:7,two:7/s"),
        ("postgresql://[::1]:7/s", ada, "ada/@::1:7/s"),
        ("postgresql:///s?hostaddr=192.0.2.2", ada, "ada/@192.0.2.2=192.0.2.2:5432/s"),
        (
            "postgresql:///s?host=a,192.0.2.1&hostaddr=192.0.2.2,",
            ada,
            "ada/@a=192.0.2.2:5432,192.0.2.1=192.0.2.1:5432/s",
        ),
        ("postgresql:///s?host=/run/pg&port=7", ada, "ada/@/run/pg:7/s"),
        ("postgresql://%2Frun%2Fpg:7/s", ada, "ada/@/run/pg:7/s"),
        ("postgresql://ada:p%40w@localhost/s?host=/run/pg", ada, "ada/p@w@/run/pg:5432/s"),
    ] {
        assert_eq!(shown(url, variables).as_deref(), Ok(want), "{url}");
    }
    let host = if std::path::Path::new("/var/run/postgresql").is_dir() {
        "/var/run/postgresql"
    } else {
        "localhost"
    };
    assert_eq!(shown("postgresql://", ada), Ok(format!("ada/@{host}:5432/ada")));
    assert!(parse("postgresql://db", &[]).is_ok(), "the user of this process is a default, too");
}

#[test]
fn it_prints_without_user_and_password() {
    for (url, want) in [
        ("postgresql://ada:secret@db/shop", "postgresql://db:5432/shop"),
        ("postgresql://ada:secret@one:1,[::1]:2/shop", "postgresql://one:1,[::1]:2/shop"),
        ("postgresql://ada:secret@/shop?host=/run/pg", "postgresql:///shop?host=/run/pg"),
        ("postgresql://ada:secret@/shop?host=/run/pg&port=7", "postgresql:///shop?host=/run/pg&port=7"),
        ("postgresql://ada:secret@/shop?host=/run/pg,db", "postgresql://%2Frun%2Fpg:5432,db:5432/shop"),
    ] {
        let settings = parse(url, &[]).unwrap();
        assert_eq!(settings.to_string(), want);
        assert!(!format!("{settings:?}").contains("secret"), "{settings:?}");
    }
}

#[test]
fn a_pool_s_limits_are_prisma_s_parameters() {
    let settings = parse("postgresql://db/", &[]).unwrap();
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(settings.connections_max(), 10);
    assert_eq!((settings.connection_wait(), settings.connect_timeout()), (seconds(5), seconds(5)));
    assert_eq!((settings.socket_timeout(), settings.schema()), (None, None));

    let query = "connection_limit=3&pool_timeout=0&connect_timeout=2&socket_timeout=9&schema=old&pgbouncer=true\
                 &statement_cache_size=0";
    let settings = parse(&format!("postgresql://one,two/?{query}"), &[]).unwrap();
    assert_eq!(settings.connections_max(), 3);
    assert_eq!((settings.connection_wait(), settings.connect_timeout()), (None, seconds(4)));
    assert_eq!((settings.socket_timeout(), settings.schema()), (seconds(9), Some("old")));
    assert!(!settings.keeps_plans());
    assert!(settings.warnings().is_empty(), "{:?}", settings.warnings());

    let settings = parse("postgresql://db/", &[("PGCONNECT_TIMEOUT", "0")]).unwrap();
    assert_eq!((settings.connect_timeout(), settings.client().get_connect_timeout()), (None, None));
}

#[test]
fn plans_are_kept_unless_the_url_says_otherwise_in_prisma_s_words() {
    for (query, keeps) in [
        ("", true),
        ("pgbouncer=false&statement_cache_size=100", true),
        ("pgbouncer=true", false),
        ("statement_cache_size=0", false),
    ] {
        assert_eq!(parse(&format!("postgresql://db/?{query}"), &[]).unwrap().keeps_plans(), keeps, "{query}");
    }
    assert!(parse("postgresql://db/?pgbouncer=perhaps", &[]).is_err());
}

#[test]
fn the_rest_reaches_the_client() {
    let query = "options=-c%20a%3Db&application_name=me&keepalives=0&keepalives_idle=1&keepalives_interval=2\
                 &keepalives_count=3&tcp_user_timeout=1500&load_balance_hosts=random&channel_binding=require";
    let settings = parse(&format!("postgresql://db/?{query}"), &[]).unwrap();
    let client = settings.client();
    assert_eq!((client.get_options(), client.get_application_name()), (Some("-c a=b"), Some("me")));
    assert!(!client.get_keepalives());
    assert_eq!(client.get_keepalives_idle(), Duration::from_secs(1));
    assert_eq!(client.get_keepalives_interval(), Some(Duration::from_secs(2)));
    assert_eq!(client.get_keepalives_retries(), Some(3));
    assert_eq!(client.get_tcp_user_timeout(), Some(&Duration::from_millis(1500)));
    assert_eq!(client.get_load_balance_hosts(), LoadBalanceHosts::Random);
    assert_eq!(client.get_channel_binding(), ChannelBinding::Require);

    for (url, want) in [
        ("postgresql://db/", TargetSessionAttrs::Any),
        ("postgresql://one,two/", TargetSessionAttrs::ReadWrite),
        ("postgresql://one,two/?target_session_attrs=any", TargetSessionAttrs::Any),
        ("postgresql://db/?target_session_attrs=primary", TargetSessionAttrs::ReadWrite),
        ("postgresql://db/?target_session_attrs=standby", TargetSessionAttrs::ReadOnly),
    ] {
        assert_eq!(parse(url, &[]).unwrap().client().get_target_session_attrs(), want, "{url}");
    }
    assert_eq!(parse("postgresql://db/", &[]).unwrap().client().get_application_name(), Some("selfsame"));
}

#[test]
fn an_unknown_parameter_is_warned_of_by_name() {
    let settings = parse("postgresql://db/?single_use_connections=hush&schema=s&krbsrvname=x", &[]).unwrap();
    assert_eq!(
        settings.warnings(),
        [
            "the parameter `krbsrvname` of DATABASE_URL is not known, and has no effect",
            "the parameter `single_use_connections` of DATABASE_URL is not known, and has no effect",
        ]
    );
}

#[test]
fn a_bad_value_is_refused_without_being_told() {
    let nothing: &[(&str, &str)] = &[];
    for (query, variables, want) in [
        (
            "connection_limit=0",
            nothing,
            "the parameter `connection_limit` of DATABASE_URL has a value that it doesn't take\nhint: it takes a whole number from 1 to 10000",
        ),
        (
            "pool_timeout=soon",
            nothing,
            "the parameter `pool_timeout` of DATABASE_URL has a value that it doesn't take\nhint: it takes a whole number from 0 to 86400",
        ),
        (
            "",
            &[("PGCONNECT_TIMEOUT", "soon")],
            "the variable PGCONNECT_TIMEOUT has a value that it doesn't take\nhint: it takes a whole number from 0 to 86400",
        ),
        (
            "keepalives=yes",
            nothing,
            "the parameter `keepalives` of DATABASE_URL has a value that it doesn't take\nhint: it takes `1`, `0`",
        ),
        (
            "hostaddr=db",
            nothing,
            "the parameter `hostaddr` of DATABASE_URL has a value that it doesn't take\nhint: it takes IP addresses, with a comma between them",
        ),
        (
            "port=x",
            nothing,
            "the parameter `port` of DATABASE_URL has a value that it doesn't take\nhint: it takes ports from 1 to 65535, with a comma between them",
        ),
        (
            "port=1,2",
            nothing,
            "DATABASE_URL or its PG… variables name 1 hosts and 2 ports\nhint: name as many of one as of the other; one port may serve all hosts",
        ),
        (
            "hostaddr=::1,::2",
            nothing,
            "DATABASE_URL or its PG… variables name 1 hosts and 2 addresses\nhint: name as many of one as of the other; one port may serve all hosts",
        ),
        (
            "target_session_attrs=prefer-standby",
            nothing,
            "the parameter `target_session_attrs` of DATABASE_URL has a value that it doesn't take\nhint: it takes `any`, `read-write`, `primary`, `read-only`, `standby`",
        ),
    ] {
        let refusal = parse(&format!("postgresql://db/?{query}"), variables).expect_err(query);
        assert_eq!(refusal.to_string(), want);
    }
}

#[test]
fn the_password_file_is_the_last_to_be_asked_and_only_if_it_is_private() {
    let path = std::env::temp_dir().join(format!("selfsame-pgpass-{}", std::process::id()));
    std::fs::write(&path, "db:5432:shop:ada:filed\nlocalhost:5432:shop:ada:local\n").unwrap();
    let set_mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    let file = [("PGPASSFILE", path.to_str().unwrap())];

    set_mode(0o600);
    for (url, want) in [
        ("postgresql://ada@db/shop", "ada/filed@db:5432/shop"),
        ("postgresql://ada@other,db/shop", "ada/filed@other:5432,db:5432/shop"),
        ("postgresql://ada:mine@db/shop", "ada/mine@db:5432/shop"),
        ("postgresql://bob@db/shop", "bob/@db:5432/shop"),
        ("postgresql://ada@%2Fvar%2Frun%2Fpostgresql/shop", "ada/local@/var/run/postgresql:5432/shop"),
    ] {
        assert_eq!(shown(url, &file).as_deref(), Ok(want), "{url}");
    }

    set_mode(0o640);
    let settings = parse("postgresql://ada@db/shop", &file).unwrap();
    assert_eq!(settings.client().get_password(), None);
    assert_eq!(settings.warnings().len(), 1);
    assert!(settings.warnings()[0].ends_with("and is not read: `chmod 600` it"), "{:?}", settings.warnings());
    std::fs::remove_file(path).unwrap();
}
