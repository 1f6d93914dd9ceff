//! The authority of a cluster, and the certificates of its nodes.
//!
//! Certificates and keys do not expire before the year 4096, so that no cluster ever stops because of them.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};

use super::node_id::NodeId;
use crate::mesh::node_name;

fn params(name: String) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// The authority of a cluster with this key.
pub(super) fn authority(
    cluster: &str,
    key: KeyPair,
) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = params(format!("velodrome cluster {cluster}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, key)
}

/// The certificate and the key of a node.
pub(super) fn certificate(
    id: NodeId,
    authority: &CertifiedIssuer<'_, KeyPair>,
) -> Result<(String, String), rcgen::Error> {
    let mut params = params(node_name(id));
    params.subject_alt_names = vec![SanType::DnsName(node_name(id).try_into()?)];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate()?;
    Ok((params.signed_by(&key, authority)?.pem(), key.serialize_pem()))
}
