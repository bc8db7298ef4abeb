//! An OPC UA server: the state of lines as variables.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{check_range, listening_address};
use crate::error::OutputError;
use crate::secret;

/// An OPC UA server. On this machine alone anybody may read, and trigger the camera, unencrypted. On a
/// network a user, a password and a certificate that is trusted are needed, and all is encrypted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OpcuaConfig {
    /// Where to listen: a port alone for this machine, or an address and a port of a network, such as
    /// `10.0.0.4:4840`.
    pub listen: String,
    /// The user that clients on a network are to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// A file that holds the user's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// An environment variable that holds the user's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    /// Sessions at a time. Default: 8.
    #[serde(default = "eight")]
    pub clients: usize,
}

fn eight() -> usize {
    8
}

impl OpcuaConfig {
    fn address(&self) -> Result<SocketAddr, OutputError> {
        let address = listening_address("listen", &self.listen)?;
        if address.ip().is_unspecified() {
            let reason = "is all networks; name the address that clients reach this machine by";
            return Err(OutputError::field("listen", reason));
        }
        Ok(address)
    }

    /// User and password, which are needed on a network.
    fn user(&self) -> Result<Option<(String, String)>, OutputError> {
        let password = secret::read(self.password_file.as_deref(), self.password_env.as_deref())?;
        let user = self.username.clone().zip(password);
        if user.is_none() && !self.address()?.ip().is_loopback() {
            let reason = "a user and a password are needed to listen on a network";
            return Err(OutputError::field("username", reason));
        }
        Ok(user)
    }

    pub(crate) fn check(&self) -> Result<(), OutputError> {
        check_range("clients", self.clients, 1, 100)?;
        self.user().map(drop)
    }
}

#[cfg(feature = "opcua")]
pub(crate) use server::open;

#[cfg(feature = "opcua")]
mod server {
    use std::net::SocketAddr;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use std::time::Duration;

    use opcua::server::address_space::{MethodBuilder, ObjectBuilder, VariableBuilder};
    use opcua::server::diagnostics::NamespaceMetadata;
    use opcua::server::node_manager::memory::{SimpleNodeManager, simple_node_manager};
    use opcua::server::{
        ANONYMOUS_USER_TOKEN_ID, Limits, ServerBuilder, ServerEndpoint, ServerHandle,
        ServerUserToken,
    };
    use opcua::types::{
        BuildInfo, DataTypeId, DataValue, DateTime, NodeId, ObjectId, QualifiedName, StatusCode,
        Variant,
    };
    use tokio::net::TcpListener;
    use tokio::runtime::Runtime;
    use tokio::task::JoinHandle;

    use super::OpcuaConfig;
    use crate::error::OutputError;
    use crate::outlet::{Failure, Outlet, Shown};
    use crate::record::{Record, VerdictKind};
    use crate::runtime;
    use crate::state::{LineLog, LineState};
    use crate::tail::file_name;

    /// The namespace of the nodes.
    const NAMESPACE: &str = "urn:efficientad:station";
    /// Longest message that is taken, in bytes: requests are short.
    const MAX_MESSAGE: usize = 1 << 20;
    /// Longest text and array that are taken.
    const MAX_LENGTH: usize = 64 << 10;
    /// How long clients may take to note the farewell.
    const FAREWELL: Duration = Duration::from_secs(2);

    struct Opcua {
        address: SocketAddr,
        clients: usize,
        user: Option<(String, String)>,
        /// Certificates: this server's, and those that it trusts.
        pki: PathBuf,
        lines: Vec<LineLog>,
        runtime: Runtime,
        server: Option<Running>,
        acknowledged: usize,
    }

    struct Running {
        task: JoinHandle<Result<(), String>>,
        handle: ServerHandle,
        nodes: Arc<SimpleNodeManager>,
        namespace: u16,
    }

    pub(crate) fn open(
        config: &OpcuaConfig,
        name: &str,
        state: &Path,
        lines: &[LineLog],
    ) -> Result<Box<dyn Outlet>, OutputError> {
        let runtime = runtime::of_one_thread(format!("opcua {name}"))?;
        Ok(Box::new(Opcua {
            address: config.address()?,
            clients: config.clients,
            user: config.user()?,
            pki: state.join(format!("{}.pki", file_name(name))),
            lines: lines.to_vec(),
            runtime,
            server: None,
            acknowledged: 0,
        }))
    }

    impl Opcua {
        fn builder(&self) -> ServerBuilder {
            let metadata =
                NamespaceMetadata { namespace_uri: NAMESPACE.to_owned(), ..Default::default() };
            let builder = ServerBuilder::new()
                .application_name("efficientad")
                .application_uri("urn:efficientad")
                .product_uri("urn:efficientad")
                .build_info(BuildInfo {
                    product_uri: "urn:efficientad".into(),
                    product_name: "efficientad".into(),
                    software_version: env!("CARGO_PKG_VERSION").into(),
                    ..Default::default()
                })
                .with_node_manager(simple_node_manager(metadata, "station"))
                .host(self.address.ip().to_string())
                .port(self.address.port())
                .pki_dir(&self.pki)
                .discovery_urls(vec!["/".to_owned()])
                .limits(Limits {
                    max_message_size: MAX_MESSAGE,
                    max_string_length: MAX_LENGTH,
                    max_byte_string_length: MAX_LENGTH,
                    max_sessions: self.clients,
                    ..Default::default()
                });
            self.with_endpoints(builder)
        }

        /// Without a user, this machine's clients are believed; with one, all need a certificate.
        fn with_endpoints(&self, builder: ServerBuilder) -> ServerBuilder {
            let Some((user, password)) = &self.user else {
                let anybody = [ANONYMOUS_USER_TOKEN_ID.to_owned()];
                return builder.add_endpoint("none", ServerEndpoint::new_none("/", &anybody));
            };
            let users = ["user".to_owned()];
            builder
                .create_sample_keypair(true)
                .certificate_path("own/cert.der")
                .private_key_path("private/private.pem")
                .trust_client_certs(false)
                .add_user_token("user", ServerUserToken::user_pass(user, password))
                .add_endpoint(
                    "basic256sha256",
                    ServerEndpoint::new_basic256sha256_sign_encrypt("/", &users),
                )
                .add_endpoint(
                    "aes256sha256",
                    ServerEndpoint::new_aes256_sha256_rsapss_sign_encrypt("/", &users),
                )
        }

        fn start(&self) -> Result<Running, String> {
            let listener = self.runtime.block_on(TcpListener::bind(self.address));
            let listener = listener.map_err(|error| error.to_string())?;
            // Building a server may begin tasks.
            let _inside = self.runtime.enter();
            let (server, handle) = self.builder().build()?;
            let nodes = handle.node_managers().get_of_type::<SimpleNodeManager>();
            let nodes = nodes.ok_or("the server has no nodes")?;
            let namespace = handle.get_namespace_index(NAMESPACE).ok_or("there is no namespace")?;
            for line in &self.lines {
                add_line(&nodes, namespace, line);
            }
            let task = self.runtime.spawn(server.run_with(listener));
            Ok(Running { task, handle, nodes, namespace })
        }
    }

    impl Outlet for Opcua {
        fn connect(&mut self) -> Result<bool, Failure> {
            self.close();
            let failed = |error| Failure::away(format!("{}: {error}", self.address));
            self.server = Some(self.start().map_err(failed)?);
            Ok(true)
        }

        fn send(&mut self, _record: &Record, _state: &LineState) -> Result<(), Failure> {
            self.acknowledged += 1;
            Ok(())
        }

        fn acknowledged(&mut self, _at_most: Duration) -> Result<usize, Failure> {
            if self.server.as_ref().is_none_or(|server| server.task.is_finished()) {
                return Err(Failure::away("the server ended"));
            }
            Ok(std::mem::take(&mut self.acknowledged))
        }

        fn show(&mut self, lines: &[Shown<'_>]) -> Result<(), Failure> {
            let Some(server) = &self.server else { return Ok(()) };
            let _inside = self.runtime.enter();
            for Shown { log, state } in lines {
                let values = values(log, state).map(|(name, _, value)| {
                    (node(server.namespace, &log.line, name), DataValue::new_now(value))
                });
                let values = values.iter().map(|(node, value)| (node, None, value.clone()));
                let set = server.nodes.set_values(server.handle.subscriptions(), values);
                set.map_err(Failure::away)?;
            }
            Ok(())
        }

        fn close(&mut self) {
            if let Some(server) = self.server.take() {
                server.handle.cancel();
                let _ = self
                    .runtime
                    .block_on(async { tokio::time::timeout(FAREWELL, server.task).await });
            }
            self.acknowledged = 0;
        }
    }

    fn node(namespace: u16, line: &str, name: &str) -> NodeId {
        NodeId::new(namespace, format!("{line}.{name}"))
    }

    /// Adds the object of a line, with its variables and its method.
    fn add_line(nodes: &SimpleNodeManager, namespace: u16, log: &LineLog) {
        let line = NodeId::new(namespace, log.line.clone());
        let method = node(namespace, &log.line, "Trigger");
        let mut space = nodes.address_space().write();
        let called = |name: &str| QualifiedName::new(namespace, name);
        ObjectBuilder::new(&line, called(&log.line), log.line.as_str())
            .has_type_definition(opcua::types::ObjectTypeId::BaseObjectType)
            .organized_by(ObjectId::ObjectsFolder)
            .insert(&mut *space);
        for (name, data_type, value) in values(log, &LineState::default()) {
            VariableBuilder::new(&node(namespace, &log.line, name), called(name), name)
                .has_type_definition(opcua::types::VariableTypeId::BaseDataVariableType)
                .data_type(data_type)
                .value(value)
                .component_of(line.clone())
                .insert(&mut *space);
        }
        let Some(trigger) = log.trigger.clone() else { return };
        MethodBuilder::new(&method, called("Trigger"), "Trigger")
            .executable(true)
            .user_executable(true)
            .component_of(line)
            .insert(&mut *space);
        drop(space);
        nodes.inner().add_method_callback(method, move |_| {
            if trigger.fire() { Ok(Vec::new()) } else { Err(StatusCode::BadTooManyOperations) }
        });
    }

    /// The variables of a line; `docs/outputs.md` has them as a table.
    fn values(log: &LineLog, state: &LineState) -> [(&'static str, DataTypeId, Variant); 20] {
        use DataTypeId::{Boolean, Float, String, UInt64};
        let last = state.last.as_ref();
        let text = |text: Option<&str>| Variant::from(text.unwrap_or_default().to_owned());
        let float = |value: Option<f32>| Variant::from(value.unwrap_or(f32::NAN));
        let counters = &state.counters;
        [
            ("Ready", Boolean, state.is_ready(log).into()),
            ("Lost", Boolean, state.is_lost().into()),
            ("RejectNow", Boolean, state.is_reject(log).into()),
            ("Verdict", String, text(last.and_then(|last| last.verdict).map(VerdictKind::name))),
            ("Reject", Boolean, last.is_some_and(|last| last.reject).into()),
            ("Score", Float, float(last.and_then(|last| last.score))),
            ("Threshold", Float, float(state.threshold())),
            ("LastId", String, text(last.map(|last| last.id.as_str()))),
            ("Photo", String, text(last.and_then(|last| last.photo.as_deref()))),
            ("Sequence", UInt64, last.map_or(0, |last| last.sequence).into()),
            ("Captured", DataTypeId::UtcTime, captured(last)),
            ("Model", String, text(last.and_then(|last| last.model.as_deref()))),
            ("Late", Boolean, last.is_some_and(|last| last.late).into()),
            ("AgeMs", UInt64, last.and_then(|last| last.age_ms).unwrap_or_default().into()),
            ("Good", UInt64, counters.good.into()),
            ("Anomalous", UInt64, counters.anomalous.into()),
            ("Failed", UInt64, counters.failed.into()),
            ("Undecided", UInt64, counters.undecided.into()),
            ("Dropped", UInt64, counters.dropped.into()),
            ("LateCount", UInt64, counters.late.into()),
        ]
    }

    /// When the last photo was taken.
    fn captured(last: Option<&Record>) -> Variant {
        // Its ticks are of 100 ns, since 1601.
        const SINCE_1601: i64 = 11_644_473_600_000;
        let time = last.and_then(|last| last.captured);
        let ticks = time.map_or(0, |time| (time.as_millisecond() + SINCE_1601) * 10_000);
        Variant::from(DateTime::from(ticks))
    }
}
