//! From what users write to what can run, in one step.

use std::collections::BTreeSet;
use std::time::SystemTime;

use http::HeaderName;
use http::header::AUTHORIZATION;

use crate::endpoint::{self, Endpoint, EndpointError, Scheme};
use crate::header::{self, HeaderError};
use crate::output::{BasicAuthentication, Header, OtlpOutputSpec, Protocol, TlsSpec};
use crate::pipeline::{MetricPipelineSpec, MetricSet};
use crate::problem::{Invalid, Problem};
use crate::reference::{Lookup, Referenced, SecretKeyRef};
use crate::resolved::{Destination, Modules, OtlpOutput, Resolved, Selection, Tls, Written, WrittenHeader};
use crate::secret::Secret;
use crate::text;
use crate::tls;
use crate::validity::{ExpiringCertificate, from_seconds, to_seconds};
use crate::value::{Source, ValueType};

const USER: &str = "authentication.basic.user";
const PASSWORD: &str = "authentication.basic.password";

/// Checks a spec and reads its values, all in one pass, so that no problem hides another. An output is checked whether or
/// not the input is enabled.
///
/// Pure and total: equal arguments give equal answers, and any spec has one. `now` decides about certificates only.
///
/// # Errors
///
/// [`Invalid`] with every problem there is.
pub fn resolve(
    spec: &MetricPipelineSpec,
    referenced: &Referenced,
    now: SystemTime,
) -> Result<Resolved, Invalid> {
    let mut check = Check::new(referenced, to_seconds(now));
    let selection = selection(spec);
    let otlp = spec.output.as_ref().map(|output| &output.otlp);
    let output = otlp.and_then(|otlp| output(&mut check, otlp));

    let recheck_at = check.recheck_at.map(from_seconds);
    match Invalid::new(check.problems, selection.clone(), recheck_at) {
        Some(invalid) => Err(invalid),
        None => Ok(Resolved { selection, output, expiring: check.expiring, recheck_at }),
    }
}

/// What gathers while a spec is checked.
pub(crate) struct Check<'a> {
    referenced: &'a Referenced,
    pub(crate) now: i64,
    pub(crate) problems: Vec<Problem>,
    pub(crate) expiring: Vec<ExpiringCertificate>,
    recheck_at: Option<i64>,
}

impl<'a> Check<'a> {
    fn new(referenced: &'a Referenced, now: i64) -> Self {
        Self { referenced, now, problems: Vec::new(), expiring: Vec::new(), recheck_at: None }
    }

    /// The answer may change at these seconds.
    pub(crate) fn changes_at(&mut self, instant: Option<i64>) {
        self.recheck_at = self.recheck_at.into_iter().chain(instant).min();
    }

    pub(crate) fn rule(&mut self, field: &str, message: &'static str) {
        self.problems.push(Problem::Rule { field: field.to_owned(), message });
    }

    /// The value and how it is written, if it can be had. With `needed`, nothing set is a problem.
    pub(crate) fn read(
        &mut self,
        field: &str,
        value: Option<&ValueType>,
        needed: Option<&'static str>,
    ) -> Option<(Secret, Written)> {
        match value.map_or(Ok(None), ValueType::source) {
            Err(message) => self.rule(field, message),
            Ok(None) => needed.into_iter().for_each(|message| self.rule(field, message)),
            Ok(Some(Source::Inline(text))) => {
                return Some((Secret::new(text), Written::Inline(Secret::new(text))));
            }
            Ok(Some(Source::Secret(reference))) => {
                return self.look_up(reference).map(|secret| (secret, Written::Reference(reference.clone())));
            }
        }
        None
    }

    fn look_up(&mut self, reference: &SecretKeyRef) -> Option<Secret> {
        let (namespace, name) = (reference.namespace.clone(), reference.name.clone());
        self.problems.push(match self.referenced.get(reference) {
            Lookup::Found(secret) => return Some(secret.clone()),
            Lookup::SecretMissing => Problem::SecretMissing { namespace, name },
            Lookup::KeyMissing => Problem::KeyMissing(reference.clone()),
            Lookup::Forbidden => Problem::SecretForbidden { namespace, name },
            Lookup::Pending => Problem::SecretPending { namespace, name },
            Lookup::Unavailable { error } => {
                Problem::SecretUnavailable { namespace, name, error: text::quoted(error) }
            }
        });
        None
    }
}

fn selection(spec: &MetricPipelineSpec) -> Option<Selection> {
    let kyma = spec.input.as_ref()?.kyma.as_ref().filter(|kyma| kyma.enabled)?;
    let modules = if kyma.modules.is_empty() {
        Modules::All
    } else {
        Modules::Named(kyma.modules.iter().cloned().collect())
    };
    let mut sets: BTreeSet<MetricSet> = kyma.metrics.iter().copied().collect();
    if sets.is_empty() {
        sets.insert(MetricSet::Module);
    }
    Some(Selection { modules, sets })
}

/// Where a part has a problem, what is returned for it does not matter: [`resolve`] gives the problems instead.
fn output(check: &mut Check<'_>, spec: &OtlpOutputSpec) -> Option<OtlpOutput> {
    let endpoint = endpoint(check, spec);
    let basic = basic(check, spec);
    let (mut headers, written_headers) = headers(check, spec);
    let (config, client_certificate) = tls::resolve(check, spec.tls.as_ref());
    let endpoint = endpoint?;
    contradictions(check, spec.tls.as_ref(), &endpoint);

    let (user, written_user) = basic
        .map(|basic| {
            headers.push((AUTHORIZATION, basic.authorization));
            (basic.user, basic.written)
        })
        .unzip();
    let (tls, client_certificate) = match endpoint.scheme() {
        Scheme::Http => (Tls::Plaintext, None),
        Scheme::Https => (Tls::Tls(config), client_certificate),
    };
    let destination = Destination {
        endpoint: endpoint.clone(),
        headers: written_headers,
        user: written_user,
        client_certificate,
    };
    let OtlpOutputSpec { protocol, compression, .. } = *spec;
    Some(OtlpOutput { protocol, endpoint, compression, headers, tls, user, destination })
}

fn endpoint(check: &mut Check<'_>, spec: &OtlpOutputSpec) -> Option<Endpoint> {
    let path = spec.path.as_deref().filter(|path| !path.is_empty());
    if path.is_some() && spec.protocol != Protocol::Http {
        check.rule("path", OtlpOutputSpec::PATH_NEEDS_HTTP);
    }
    // A path that is wrong by itself must not hide what is wrong with the endpoint, nor be taken for it.
    let path_problem = path.and_then(|path| endpoint::check_path(path).err());
    check.problems.extend(path_problem.map(Problem::Path));
    let path = path.filter(|_| path_problem.is_none());
    let needed = Some(OtlpOutputSpec::ENDPOINT_NEEDED);
    let (secret, written) = check.read("endpoint", Some(&spec.endpoint), needed)?;
    let insecure = spec.tls.as_ref().is_some_and(|tls| tls.insecure);
    let unwritten = if insecure { Scheme::Http } else { Scheme::Https };
    let value = match &written {
        Written::Inline(_) => secret.expose_text(),
        Written::Reference(_) => header::without_line_break(&secret),
    };
    let parsed = value
        .map_or(Err(EndpointError::NotText), |text| Endpoint::parse(spec.protocol, text, path, unwritten));
    let origin = match written {
        Written::Inline(_) => String::new(),
        Written::Reference(reference) => format!(" (Secret {reference})"),
    };
    parsed.map_err(|error| check.problems.push(Problem::Endpoint { origin, error })).ok()
}

fn contradictions(check: &mut Check<'_>, tls: Option<&TlsSpec>, endpoint: &Endpoint) {
    let Some(tls) = tls else { return };
    let certificates = tls.ca.is_some() || tls.cert.is_some() || tls.key.is_some();
    match endpoint.scheme() {
        Scheme::Https if tls.insecure => check.problems.push(Problem::HttpsButInsecure),
        Scheme::Http if certificates && !tls.insecure => check.problems.push(Problem::HttpButCertificates),
        _ => {}
    }
}

struct Basic {
    user: Secret,
    written: Written,
    authorization: Secret,
}

fn basic(check: &mut Check<'_>, spec: &OtlpOutputSpec) -> Option<Basic> {
    let basic = spec.authentication.as_ref()?.basic.as_ref()?;
    let user = check.read(USER, basic.user.as_ref(), Some(BasicAuthentication::USER_NEEDED));
    let password = check.read(PASSWORD, basic.password.as_ref(), Some(BasicAuthentication::PASSWORD_NEEDED));
    let (user, written) = user?;
    let user = sendable(check, USER, header::user(&user))?;
    let authorization = header::basic(&user, &header::password(&password?.0));
    Some(Basic { user, written, authorization })
}

fn headers(check: &mut Check<'_>, spec: &OtlpOutputSpec) -> (Vec<(HeaderName, Secret)>, Vec<WrittenHeader>) {
    let basic = spec.authentication.as_ref().is_some_and(|authentication| authentication.basic.is_some());
    let mut seen = if basic { BTreeSet::from([AUTHORIZATION.to_string()]) } else { BTreeSet::new() };
    let headers = spec.headers.iter().filter_map(|header| one_header(check, header, &mut seen));
    let (headers, mut written): (Vec<_>, Vec<WrittenHeader>) = headers.unzip();
    written.sort_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
    (headers, written)
}

fn one_header(
    check: &mut Check<'_>,
    spec: &Header,
    seen: &mut BTreeSet<String>,
) -> Option<((HeaderName, Secret), WrittenHeader)> {
    let field = format!("Header '{}'", text::quoted(&spec.name));
    let name = sendable(check, &field, header::name(&spec.name));
    let fresh = name.as_ref().is_none_or(|name| seen.insert(name.to_string()));
    if !fresh {
        check.problems.push(Problem::Header { field: field.clone(), error: HeaderError::Twice });
    }
    let prefix = spec.prefix.as_deref();
    let (secret, source) = check.read(&field, Some(&spec.value_type()), Some(Header::VALUE_NEEDED))?;
    let value = sendable(check, &field, header::value(prefix, &secret))?;
    let name = name?;
    Some(((name.clone(), value), (name, prefix.map(Secret::new), source)))
}

fn sendable<T>(check: &mut Check<'_>, field: &str, result: Result<T, HeaderError>) -> Option<T> {
    let field = field.to_owned();
    result.map_err(|error| check.problems.push(Problem::Header { field, error })).ok()
}
