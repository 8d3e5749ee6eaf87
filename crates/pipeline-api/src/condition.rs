//! The conditions of a pipeline: their types, statuses and reasons.

use std::fmt;

/// The type of a condition, in the order in which they are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ConditionType {
    /// The spec could be turned into an output.
    ConfigurationGenerated,
    /// The exporter runs.
    GatewayHealthy,
    /// There is no agent; dashboards and tools expect the type.
    AgentHealthy,
    /// What is sent arrives.
    TelemetryFlowHealthy,
    /// The selected modules are watched.
    ModulesObserved,
}

/// The status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConditionStatus {
    /// All is well.
    True,
    /// Something needs attention.
    False,
    /// It cannot be said.
    Unknown,
}

/// The reason of a condition. The order is that in which problems of one condition take precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is its own reason, and the status message explains it")]
pub enum Reason {
    ReferencedSecretMissing,
    ReferencedSecretForbidden,
    EndpointInvalid,
    TlsCertificateExpired,
    TlsConfigurationInvalid,
    DuplicateOutput,
    ValidationFailed,
    TlsCertificateAboutToExpire,
    GatewayConfigured,

    GatewayConfigurationNotGenerated,
    GatewayNotReady,
    GatewayReady,

    AgentNotRequired,

    ConfigurationNotGenerated,
    BackendUnavailable,
    GatewayAllTelemetryDataDropped,
    GatewaySomeTelemetryDataDropped,
    NothingSentYet,
    ScrapeOnly,
    FlowHealthy,

    UnknownModule,
    ModuleForbidden,
    ModuleNotInstalled,
    WatchFailed,
    ListsPending,
    NoModulesSelected,
    AllModulesObserved,

    InputDisabled,
}

impl ConditionType {
    /// The type as it stands in a status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConfigurationGenerated => "ConfigurationGenerated",
            Self::GatewayHealthy => "GatewayHealthy",
            Self::AgentHealthy => "AgentHealthy",
            Self::TelemetryFlowHealthy => "TelemetryFlowHealthy",
            Self::ModulesObserved => "ModulesObserved",
        }
    }
}

impl ConditionStatus {
    /// The status as it stands in a condition.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl Reason {
    /// The reason as it stands in a condition.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReferencedSecretMissing => "ReferencedSecretMissing",
            Self::ReferencedSecretForbidden => "ReferencedSecretForbidden",
            Self::EndpointInvalid => "EndpointInvalid",
            Self::TlsCertificateExpired => "TLSCertificateExpired",
            Self::TlsConfigurationInvalid => "TLSConfigurationInvalid",
            Self::DuplicateOutput => "DuplicateOutput",
            Self::ValidationFailed => "ValidationFailed",
            Self::TlsCertificateAboutToExpire => "TLSCertificateAboutToExpire",
            Self::GatewayConfigured => "GatewayConfigured",
            Self::GatewayConfigurationNotGenerated => "GatewayConfigurationNotGenerated",
            Self::GatewayNotReady => "GatewayNotReady",
            Self::GatewayReady => "GatewayReady",
            Self::AgentNotRequired => "AgentNotRequired",
            Self::ConfigurationNotGenerated => "ConfigurationNotGenerated",
            Self::BackendUnavailable => "BackendUnavailable",
            Self::GatewayAllTelemetryDataDropped => "GatewayAllTelemetryDataDropped",
            Self::GatewaySomeTelemetryDataDropped => "GatewaySomeTelemetryDataDropped",
            Self::NothingSentYet => "NothingSentYet",
            Self::ScrapeOnly => "ScrapeOnly",
            Self::FlowHealthy => "FlowHealthy",
            Self::UnknownModule => "UnknownModule",
            Self::ModuleForbidden => "ModuleForbidden",
            Self::ModuleNotInstalled => "ModuleNotInstalled",
            Self::WatchFailed => "WatchFailed",
            Self::ListsPending => "ListsPending",
            Self::NoModulesSelected => "NoModulesSelected",
            Self::AllModulesObserved => "AllModulesObserved",
            Self::InputDisabled => "InputDisabled",
        }
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for ConditionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
