//! Nova, per region, as far as a cloud of this shape has something to say.

mod actions;
mod consoles;
mod flavors;
mod instance_actions;
mod key_pairs;
mod metadata;
mod parts;
mod quotas;
mod server_change;
mod server_create;
mod server_list;
mod server_view;
mod tags;
mod versions;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use cloud::model::Server;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::body::shown;
use super::context::Api;
use super::fault::{Fault, Outcome};
use super::routes::Routes;
use super::service::Service;

/// The `{region}` and whatever a route has behind it.
type Two = Path<(String, String)>;
type Three = Path<(String, String, String)>;

pub(super) fn routes() -> Routes {
    // Nova answers both with and without a slash at the end of its documents.
    Routes::default()
        .route("/compute/{region}", get(versions::list))
        .route("/compute/{region}/", get(versions::list))
        .route("/compute/{region}/v2.1", get(versions::show))
        .route("/compute/{region}/v2.1/", get(versions::show))
        .route("/compute/{region}/v2", get(versions::show_old))
        .route("/compute/{region}/v2/", get(versions::show_old))
        .route("/compute/{region}/{version}/{*rest}", any(versions::choices))
        .nest("/compute/{region}/v2.1", versioned())
        .nest("/compute/{region}/v2", versioned())
        .of(Service::Compute)
}

fn versioned() -> Routes {
    Routes::default()
        .route("/os-keypairs", get(key_pairs::list).post(key_pairs::create))
        .route("/os-keypairs/{name}", get(key_pairs::show).delete(key_pairs::remove))
        .route("/flavors", get(flavors::list))
        .route("/flavors/detail", get(flavors::list_detail))
        .route("/flavors/{id}", get(flavors::show))
        .route("/flavors/{id}/os-extra_specs", get(flavors::extra_specs))
        .route("/flavors/{id}/os-extra_specs/{key}", get(flavors::extra_spec))
        .route("/flavors/{id}/os-flavor-access", get(flavors::access))
        .route("/servers", get(server_list::list).post(server_create::create))
        .route("/servers/detail", get(server_list::list_detail))
        .route(
            "/servers/{id}",
            get(server_change::show).put(server_change::update).delete(server_change::remove),
        )
        .route("/servers/{id}/action", post(actions::act))
        .route(
            "/servers/{id}/metadata",
            get(metadata::list).post(metadata::merge).put(metadata::replace),
        )
        .route(
            "/servers/{id}/metadata/{key}",
            get(metadata::show).put(metadata::set).delete(metadata::remove),
        )
        .route("/servers/{id}/tags", get(tags::list).put(tags::replace).delete(tags::remove_all))
        .route("/servers/{id}/tags/{tag}", get(tags::check_tag).put(tags::add).delete(tags::remove))
        .route("/servers/{id}/ips", get(parts::addresses))
        .route("/servers/{id}/ips/{network}", get(parts::addresses_of))
        .route("/servers/{id}/os-interface", get(parts::interfaces))
        .route("/servers/{id}/os-volume_attachments", get(parts::volumes))
        .route("/servers/{id}/os-security-groups", get(parts::security_groups))
        .route(
            "/servers/{id}/os-server-password",
            get(parts::password).delete(parts::forget_password),
        )
        .route("/servers/{id}/os-instance-actions", get(instance_actions::list))
        .route("/servers/{id}/os-instance-actions/{request}", get(instance_actions::show))
        .route("/servers/{id}/remote-consoles", post(consoles::create))
        .route("/limits", get(quotas::limits))
        .route("/os-availability-zone", get(quotas::zones))
        .route("/os-availability-zone/detail", get(quotas::zones_detail))
        .route("/os-quota-sets/{project}", get(quotas::quota_set))
        .route("/os-quota-sets/{project}/defaults", get(quotas::quota_defaults))
        .route("/os-simple-tenant-usage/{project}", get(quotas::usage))
        .route("/os-tenant-networks", get(parts::tenant_networks))
        .route("/os-tenant-networks/{id}", get(parts::tenant_network))
        .route("/extensions", get(versions::extensions))
        .route("/extensions/{alias}", get(versions::extension))
        .route("/{*rest}", any(unknown))
}

/// What there is not, for those who may ask at all.
async fn unknown(_api: Api) -> Fault {
    Fault::not_found("The resource could not be found.")
}

/// A server of the caller's; whatever is no identifier of one is not found either.
async fn find(api: &Api, id: &str) -> Outcome<Server> {
    let missing = || Fault::not_found(format_args!("Instance {} could not be found.", shown(id)));
    let parsed = server_id(id)?;
    match api.cloud().server(&api.caller, &api.region, parsed).await {
        Err(cloud::Error::NotFound(_)) => Err(missing()),
        other => Ok(other?),
    }
}

/// The identifier in an address, in the one form that the API writes itself or without hyphens.
fn server_id(id: &str) -> Outcome<Uuid> {
    Uuid::try_parse(id)
        .map_err(|_| Fault::not_found(format_args!("Instance {} could not be found.", shown(id))))
}

/// An object whose fields come and go by microversion.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    fn put_if(&mut self, shown: bool, name: &str, value: impl Into<Value>) -> &mut Self {
        if shown {
            self.put(name, value);
        }
        self
    }

    fn finish(&mut self) -> Value {
        Value::Object(std::mem::take(&mut self.0))
    }
}

pub(super) use parts::port_id;

fn json(value: Value) -> Response {
    axum::Json(value).into_response()
}

fn with_status(status: u16, value: Value) -> Response {
    let status = axum::http::StatusCode::from_u16(status)
        .unwrap_or(axum::http::StatusCode::INTERNAL_SERVER_ERROR);
    (status, axum::Json(value)).into_response()
}

fn empty(status: u16) -> Response {
    axum::http::StatusCode::from_u16(status)
        .unwrap_or(axum::http::StatusCode::INTERNAL_SERVER_ERROR)
        .into_response()
}
