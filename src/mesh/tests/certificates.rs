//! Certificates of a cluster.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PublicKeyData,
    date_time_ymd,
};
use tempfile::TempDir;

use crate::mesh::Identity;

/// A CA, and the files of the identities that it issues.
pub(super) struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

impl Ca {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let ca = Self { issuer, directory: tempfile::tempdir().unwrap() };
        fs::write(ca.file(), ca.issuer.pem()).unwrap();
        ca
    }

    /// The certificate of the CA.
    pub(super) fn file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    fn write(&self, name: &str, contents: String) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, contents).unwrap();
        path
    }

    /// Issues the certificate and key of a node.
    pub(super) fn issue(&self, node: usize) -> [PathBuf; 2] {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([format!("node-{node}.velodrome")]).unwrap();
        let cert = self.sign(&params, &key, &format!("{node}.pem"));
        [cert, self.write(&format!("{node}.key"), key.serialize_pem())]
    }

    /// Issues a certificate that expired long ago.
    pub(super) fn issue_expired(&self, node: usize) -> [PathBuf; 2] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([format!("node-{node}.velodrome")]).unwrap();
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
        let cert = self.sign(&params, &key, "expired.pem");
        [cert, self.write("expired.key", key.serialize_pem())]
    }

    fn sign(&self, params: &CertificateParams, key: &impl PublicKeyData, name: &str) -> PathBuf {
        self.write(name, params.signed_by(key, &self.issuer).unwrap().pem())
    }

    pub(super) fn identity(&self, node: usize) -> Identity {
        let [cert, key] = self.issue(node);
        Identity::load(node, &cert, &key, &self.file()).unwrap()
    }

    /// The identities of the nodes of a cluster.
    pub(super) fn identities(&self, nodes: usize) -> Vec<Identity> {
        (0..nodes).map(|node| self.identity(node)).collect()
    }

    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }
}
