//! What is wrong with a pipeline, all of it.

use std::collections::BTreeSet;
use std::time::SystemTime;

use crate::certificate::PemError;
use crate::condition::Reason;
use crate::endpoint::EndpointError;
use crate::header::HeaderError;
use crate::reference::SecretKeyRef;
use crate::resolved::{Resolved, Selection};
use crate::service_account::ServiceAccount;
use crate::text;

/// The `ClusterRole` that may be bound in a namespace whose Secrets pipelines refer to.
const SECRET_READER: &str = "status-manager-secret-reader";

/// One reason for which a spec gives no output.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A Secret does not exist.
    #[error("Secret {namespace}/{name} does not exist")]
    SecretMissing {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A Secret lacks a key.
    #[error("Secret {}/{} has no key '{}'", .0.namespace, .0.name, .0.key)]
    KeyMissing(SecretKeyRef),
    /// A Secret was not looked up yet.
    #[error("Secret {namespace}/{name} has not been read yet")]
    SecretPending {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A Secret could not be read; it is tried again.
    #[error("Secret {namespace}/{name} could not be read: {error}")]
    SecretUnavailable {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What the API server or the connection said.
        error: String,
    },
    /// The manager may not read a Secret.
    #[error("Secret {namespace}/{name} may not be read by the manager")]
    SecretForbidden {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The endpoint does not parse.
    #[error("The endpoint{origin} {error}")]
    Endpoint {
        /// Where it comes from: empty, or the Secret in parentheses.
        origin: String,
        /// What is wrong.
        error: EndpointError,
    },
    /// The path does not parse.
    #[error("The path {0}")]
    Path(EndpointError),
    /// A certificate was valid and is not any more.
    #[error("TLS certificate expired on {date} ({field}, {subject})")]
    CertificateExpired {
        /// The field, `tls.cert` or `tls.ca`.
        field: &'static str,
        /// The certificate's subject.
        subject: String,
        /// The last day of its validity.
        date: String,
    },
    /// A certificate is not valid yet.
    #[error("TLS certificate is not valid before {date} ({field}, {subject})")]
    CertificateNotYetValid {
        /// The field, `tls.cert` or `tls.ca`.
        field: &'static str,
        /// The certificate's subject.
        subject: String,
        /// The first day of its validity.
        date: String,
    },
    /// A PEM is not what it should be.
    #[error("{field} {error}")]
    Pem {
        /// The field, `tls.ca`, `tls.cert` or `tls.key`.
        field: &'static str,
        /// What is wrong.
        error: PemError,
    },
    /// The endpoint's scheme says TLS, `tls.insecure` says plaintext.
    #[error("The endpoint starts with https://, but tls.insecure asks for plaintext")]
    HttpsButInsecure,
    /// The endpoint's scheme says plaintext, and there are certificates.
    #[error(
        "The endpoint starts with http://, but certificates are configured; use https://, or set tls.insecure"
    )]
    HttpButCertificates,
    /// An older pipeline sends the same series to the same backend.
    #[error(
        "MetricPipeline {older} is older and sends the same metrics to the same backend; each would end the series of the \
         other. Change the modules, the metrics or the output of one of them"
    )]
    DuplicateOutput {
        /// The older pipeline.
        older: String,
    },
    /// A header, the user or the password cannot be sent.
    #[error("{field} {error}")]
    Header {
        /// The header or the field.
        field: String,
        /// What is wrong.
        error: HeaderError,
    },
    /// A rule of the schema is broken, by a client that the API server did not check.
    #[error("{field}: {message}")]
    Rule {
        /// The field.
        field: String,
        /// The rule's message, as in the CRD.
        message: &'static str,
    },
    /// The object does not have the form of a MetricPipeline.
    #[error("The MetricPipeline cannot be read: {0}")]
    Unreadable(String),
}

/// All problems of one pipeline, at least one, in the order of their reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    problems: Vec<Problem>,
    input: Input,
    recheck_at: Option<SystemTime>,
}

/// What is known about the input of a pipeline that is not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Input {
    Unknown,
    Disabled,
    Selects(Selection),
}

impl From<Option<Selection>> for Input {
    fn from(selection: Option<Selection>) -> Self {
        selection.map_or(Self::Disabled, Self::Selects)
    }
}

impl Problem {
    /// The reason of the condition that reports it.
    pub fn reason(&self) -> Reason {
        match self {
            Self::SecretMissing { .. }
            | Self::KeyMissing(_)
            | Self::SecretPending { .. }
            | Self::SecretUnavailable { .. } => Reason::ReferencedSecretMissing,
            Self::SecretForbidden { .. } => Reason::ReferencedSecretForbidden,
            Self::Endpoint { .. } | Self::Path(_) => Reason::EndpointInvalid,
            Self::CertificateExpired { .. } => Reason::TlsCertificateExpired,
            Self::CertificateNotYetValid { .. }
            | Self::Pem { .. }
            | Self::HttpsButInsecure
            | Self::HttpButCertificates => Reason::TlsConfigurationInvalid,
            Self::DuplicateOutput { .. } => Reason::DuplicateOutput,
            Self::Header { .. } | Self::Rule { .. } | Self::Unreadable(_) => Reason::ValidationFailed,
        }
    }

    fn forbidden_namespace(&self) -> Option<&str> {
        match self {
            Self::SecretForbidden { namespace, .. } => Some(namespace),
            _ => None,
        }
    }
}

impl Invalid {
    /// The problems that [`resolve`](crate::resolve()) found; `None` if there are none.
    pub(crate) fn new(
        mut problems: Vec<Problem>,
        selection: Option<Selection>,
        recheck_at: Option<SystemTime>,
    ) -> Option<Self> {
        problems.sort_by_key(Problem::reason);
        let mut distinct: Vec<Problem> = Vec::with_capacity(problems.len());
        for problem in problems {
            if !distinct.contains(&problem) {
                distinct.push(problem);
            }
        }
        (!distinct.is_empty()).then_some(Self { problems: distinct, input: selection.into(), recheck_at })
    }

    /// A pipeline that [`duplicates`](crate::duplicates) names as the younger one.
    pub fn duplicate_of(older: impl Into<String>, resolved: Resolved) -> Self {
        let problems = vec![Problem::DuplicateOutput { older: older.into() }];
        Self { problems, input: resolved.selection.into(), recheck_at: resolved.recheck_at }
    }

    /// An object that does not have the form of a [`MetricPipeline`](crate::MetricPipeline), such as one that was
    /// stored under another version of the schema. What the error quotes in double quotes is left out: it may be
    /// a value from the spec.
    pub fn unreadable(error: &str) -> Self {
        let kept = match (error.find('"'), error.rfind('"')) {
            (Some(first), Some(last)) if first < last => {
                [&error[..first], "\"..\"", &error[last + 1..]].concat()
            }
            _ => error.to_owned(),
        };
        Self {
            problems: vec![Problem::Unreadable(text::quoted(&kept))],
            input: Input::Unknown,
            recheck_at: None,
        }
    }

    /// All problems.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The reason of the condition: that of the first problem.
    pub fn reason(&self) -> Reason {
        self.problems.first().map_or(Reason::ValidationFailed, Problem::reason)
    }

    /// The message of the condition: every problem, and the rights to grant to `manager`.
    pub fn message(&self, manager: &ServiceAccount) -> String {
        let sentences: Vec<String> = self.problems.iter().map(ToString::to_string).collect();
        let rights =
            self.forbidden_namespaces().into_iter().map(|namespace| role_binding(namespace, manager));
        let all: Vec<String> = sentences.into_iter().chain(rights).collect();
        text::message(&format!("{}.", all.join(". ")))
    }

    /// Whether a Secret was not looked up yet, so that the answer is about to change: what runs should go on, and no
    /// status be written.
    pub fn is_pending(&self) -> bool {
        self.problems.iter().any(|problem| matches!(problem, Problem::SecretPending { .. }))
    }

    /// What the pipeline would observe; `None` if its input is disabled or nothing could be read of it.
    pub fn selection(&self) -> Option<&Selection> {
        match &self.input {
            Input::Selects(selection) => Some(selection),
            Input::Unknown | Input::Disabled => None,
        }
    }

    /// Whether the pipeline's input is disabled.
    pub fn input_disabled(&self) -> bool {
        self.input == Input::Disabled
    }

    /// Whether a Secret cannot be had, so that the credentials that were in it must not be used again.
    pub fn misses_secret(&self) -> bool {
        let is_missing = |problem: &Problem| {
            matches!(
                problem,
                Problem::SecretMissing { .. } | Problem::KeyMissing(_) | Problem::SecretForbidden { .. }
            )
        };
        self.problems.iter().any(is_missing)
    }

    /// When the passing of time alone may change the answer.
    pub fn recheck_at(&self) -> Option<SystemTime> {
        self.recheck_at
    }

    fn forbidden_namespaces(&self) -> BTreeSet<&str> {
        self.problems.iter().filter_map(Problem::forbidden_namespace).collect()
    }
}

fn role_binding(namespace: &str, manager: &ServiceAccount) -> String {
    format!(
        "This RoleBinding allows it: kubectl create rolebinding {SECRET_READER} --namespace={namespace} \
         --clusterrole={SECRET_READER} --serviceaccount={}:{}",
        manager.namespace, manager.name
    )
}
