//! Where a token's services are, region by region.

use std::collections::BTreeMap;

use serde_json::Value;

/// More than any cloud has; what is beyond is left out.
const REGIONS_MAX: usize = 200;

/// The services of the regions that have servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Catalog {
    regions: BTreeMap<String, Services>,
}

/// A region's addresses, each without a slash at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Services {
    /// Nova's, with its version, such as `http://.../v2.1`.
    pub(super) compute: Option<String>,
    /// Glance's, with `/v2`.
    pub(super) image: Option<String>,
    /// Neutron's, with `/v2.0`.
    pub(super) network: Option<String>,
}

impl Catalog {
    /// Of a token's `catalog`, by endpoints of one interface.
    pub(super) fn read(catalog: &Value, interface: &str, project_id: &str) -> Self {
        let mut regions: BTreeMap<String, Services> = BTreeMap::new();
        for service in catalog.as_array().into_iter().flatten() {
            let kind = service["type"].as_str().unwrap_or_default();
            let endpoints = service["endpoints"].as_array().into_iter().flatten();
            for endpoint in endpoints.filter(|one| one["interface"].as_str() == Some(interface)) {
                let region = endpoint["region_id"].as_str().or_else(|| endpoint["region"].as_str());
                let (Some(region), Some(url)) = (region, endpoint["url"].as_str()) else {
                    continue;
                };
                if regions.len() >= REGIONS_MAX && !regions.contains_key(region) {
                    continue;
                }
                let url = url.trim_end_matches('/');
                let services = regions.entry(region.to_owned()).or_default();
                match kind {
                    "compute" => services.compute = Some(without_project(url, project_id)),
                    "image" => services.image = Some(versioned(url, "v2")),
                    "network" => services.network = Some(versioned(url, "v2.0")),
                    _ => {}
                }
            }
        }
        regions.retain(|_, services| services.compute.is_some());
        Self { regions }
    }

    pub(super) fn get(&self, region: &str) -> Option<&Services> {
        self.regions.get(region)
    }

    /// Their names: the usual one first, the others by name; or those that were asked for.
    pub(super) fn names(&self, first: Option<&str>, only: &[String]) -> Vec<String> {
        if !only.is_empty() {
            return only.iter().filter(|name| self.regions.contains_key(*name)).cloned().collect();
        }
        let mut names: Vec<String> = self.regions.keys().cloned().collect();
        names.sort_by_key(|name| Some(name.as_str()) != first);
        names
    }
}

/// Old catalogs have the project behind Nova's version.
fn without_project(url: &str, project_id: &str) -> String {
    match url.rsplit_once('/') {
        Some((before, last)) if !project_id.is_empty() && last.ends_with(project_id) => {
            before.to_owned()
        }
        _ => url.to_owned(),
    }
}

/// With the version that catalogs leave out.
fn versioned(url: &str, version: &str) -> String {
    let major = version.split('.').next().unwrap_or(version);
    match url.rsplit_once('/') {
        Some((_, last)) if last == version => url.to_owned(),
        Some((before, last)) if last.split('.').next() == Some(major) => {
            format!("{before}/{version}")
        }
        _ => format!("{url}/{version}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn regions_and_addresses() {
        let endpoint = |region: &str, interface: &str, url: &str| json!({"region_id": region, "interface": interface, "url": url});
        let catalog = json!([
            {"type": "identity", "endpoints": [endpoint("Elsewhere", "public", "http://k/v3")]},
            {"type": "compute", "endpoints": [
                endpoint("two", "public", "http://n2/v2.1/"),
                endpoint("one", "public", "http://n1/compute/v2.1/p1"),
                endpoint("one", "internal", "http://inside/v2.1"),
            ]},
            {"type": "image", "endpoints": [endpoint("one", "public", "http://g1")]},
            {"type": "network", "endpoints": [endpoint("one", "public", "http://q1/v2")]},
        ]);
        let read = Catalog::read(&catalog, "public", "p1");
        assert_eq!(read.names(None, &[]), ["one", "two"]);
        assert_eq!(read.names(Some("two"), &[]), ["two", "one"]);
        assert_eq!(read.names(None, &["two".into(), "three".into()]), ["two"]);
        let one = read.get("one").unwrap();
        assert_eq!(one.compute.as_deref(), Some("http://n1/compute/v2.1"));
        assert_eq!(one.image.as_deref(), Some("http://g1/v2"));
        assert_eq!(one.network.as_deref(), Some("http://q1/v2.0"));
        assert_eq!(Catalog::read(&json!(null), "public", ""), Catalog::default());
    }
}
