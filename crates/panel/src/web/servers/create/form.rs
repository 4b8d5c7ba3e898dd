//! The form itself.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::{Choice, Said, Typed};
use crate::web::keys::{described, public_key_field};
use crate::web::layout::{Input, count, csrf, field_error, page};
use crate::web::viewer::Viewer;

pub(super) fn form(
    viewer: &Viewer,
    typed: &Typed,
    choice: &Choice,
    said: &Said,
    status: StatusCode,
) -> Response {
    let body = html! {
        h1 { "Create Server" }
        @if let Some(notice) = &said.notice { p .notice.good role="status" { (notice) } }
        @if let Some(error) = &said.form { p .notice.alarm role="alert" { (error) } }
        @else if said.wrong() {
            p .notice.alarm role="alert" { "Nothing was done yet: see below what is marked in red." }
        }
        form .card method="post" action="/servers/new" {
            (csrf(viewer))
            // Enter in a field presses the first button, which must be the plain one.
            button .first-button type="submit" tabindex="-1" aria-hidden="true" { "Create Server" }
            (Input { name: "name", label: "Name", value: &typed.name, error: said.name.as_deref(),
                hint: "It becomes the server's host name.", ..Input::default() }.render())
            (region_field(typed, choice))
            (image_field(viewer, typed, choice, said))
            (flavor_field(typed, choice, said))
            (network_field(typed, choice))
            details .advanced open {
                summary { "Advanced Options" }
                (key_field(typed, choice, said))
                (Input { name: "description", label: "Description", value: &typed.description,
                    error: said.description.as_deref(), ..Input::default() }.render())
                div .field {
                    label for="user_data" { "User data" }
                    textarea #user_data name="user_data" rows="3" spellcheck="false" { (typed.user_data) }
                    p .hint { "For cloud-init, in images that have it." }
                    (field_error("user_data", said.user_data.as_deref()))
                }
            }
            div .buttons {
                button .primary type="submit" { "Create Server" }
                a .button.quiet href="/servers" { "Cancel" }
            }
        }
    };
    (status, page(viewer, "Create Server", &body)).into_response()
}

fn region_field(typed: &Typed, choice: &Choice) -> Markup {
    html! {
        div .field {
            label for="region" { "Region" }
            div .together {
                select #region name="region" data-press="use-region" {
                    @for region in choice.regions.iter() {
                        option value=(region.id) selected[region.id == typed.region] { (region.name) }
                    }
                }
                button #use-region .quiet type="submit" name="do" value="region" formnovalidate {
                    "Use this region"
                }
            }
        }
    }
}

fn image_field(viewer: &Viewer, typed: &Typed, choice: &Choice, said: &Said) -> Markup {
    html! {
        div .field.bad[said.image.is_some()] {
            @if choice.images.is_empty() {
                p .label { "Image" }
                p .notice {
                    (choice.regions.name(&typed.region)) " has no image to make a server from yet. "
                    @if viewer.admin { a href="/images" { "Look after the images" } "," }
                    @else { "Ask an administrator of the cloud for one," }
                    (elsewhere(choice))
                }
            } @else {
                label for="image" { "Image" }
                select #image name="image" {
                    @for image in &choice.images {
                        option value=(image.id) selected[image.id.to_string() == typed.image] { (image.name) }
                    }
                }
            }
            (field_error("image", said.image.as_deref()))
        }
    }
}

/// What else can be done about what a region lacks.
fn elsewhere(choice: &Choice) -> &'static str {
    if choice.regions.len() > 1 { " or choose another region above." } else { " and come back." }
}

fn flavor_field(typed: &Typed, choice: &Choice, said: &Said) -> Markup {
    let known = choice.flavors.iter().any(|flavor| flavor.id == typed.flavor);
    html! {
        fieldset .field.bad[said.flavor.is_some()] {
            legend { "Size" }
            @if choice.flavors.is_empty() {
                p .notice {
                    (choice.regions.name(&typed.region)) " has no sizes (flavors) that your project \
                     may use, so no server can be made there. Ask an administrator of the cloud for one,"
                    (elsewhere(choice))
                }
            }
            div .tiles {
                @for (index, flavor) in choice.flavors.iter().enumerate() {
                    label .tile {
                        input type="radio" name="flavor" value=(flavor.id)
                            checked[flavor.id == typed.flavor || (!known && index == 0)];
                        span {
                            strong { (flavor.name) } br;
                            span .muted {
                                (memory(flavor.ram_mib)) " · " (count(flavor.vcpus.into(), "CPU", "CPUs"))
                                @if flavor.disk_gib > 0 { " · " (flavor.disk_gib) "\u{a0}GiB\u{a0}disk" }
                            }
                        }
                    }
                }
            }
            (field_error("flavor", said.flavor.as_deref()))
        }
    }
}

fn network_field(typed: &Typed, choice: &Choice) -> Markup {
    html! {
        @if choice.networks.len() > 1 {
            div .field {
                label for="network" { "Network" }
                select #network name="network" {
                    @for network in &choice.networks {
                        option value=(network.id) selected[network.id.to_string() == typed.network] {
                            (network.name) " (" (network.cidr) ")"
                        }
                    }
                }
            }
        }
    }
}

fn memory(mib: u32) -> String {
    if mib >= 1024 && mib.is_multiple_of(1024) {
        format!("{}\u{a0}GiB", mib / 1024)
    } else {
        format!("{mib}\u{a0}MiB")
    }
}

fn key_field(typed: &Typed, choice: &Choice, said: &Said) -> Markup {
    let kind = if choice.several { "checkbox" } else { "radio" };
    let usable = choice.keys.iter().filter(|key| key.kind == cloud::model::KeyType::Ssh);
    let (chosen, others): (Vec<_>, Vec<_>) = usable.partition(|key| typed.keys.contains(&key.name));
    html! {
        fieldset #ssh-key .field.bad[said.keys.is_some()] {
            legend { "SSH Key" }
            p .hint { "Keys stored in " (choice.regions.name(&typed.region)) ". Whoever holds one can log in as root." }
            div .boxes.column {
                @for key in chosen.into_iter().chain(others) {
                    label .box {
                        input type=(kind) name="key" value=(key.name) checked[typed.keys.contains(&key.name)];
                        span {
                            strong { (key.name) } " "
                            span .muted {
                                @if let Some((public, _)) = described(key) {
                                    (public.type_label()) " " (public.bits()) " "
                                }
                            }
                            code .fingerprint { (key.fingerprint_sha256) }
                        }
                    }
                }
                @if choice.keys.is_empty() { p { "No key is stored in " (choice.regions.name(&typed.region)) " yet." } }
                @if choice.more {
                    div .field {
                        label for="other-key" { "Another key, by its name" }
                        input #other-key type="text" name="key" autocomplete="off";
                    }
                }
                label .box {
                    input type="checkbox" name="no_key" value="yes" checked[typed.no_key];
                    span { "No key: nobody can log in by SSH, only by the console" }
                }
            }
            (field_error("keys", said.keys.as_deref()))
        }
        @if !choice.elsewhere.is_empty() {
            fieldset .field {
                legend {
                    (count(choice.elsewhere_total, "more key is", "more keys are"))
                    " in other regions"
                }
                div .boxes.column {
                    @for key in &choice.elsewhere {
                        label .box {
                            input type="checkbox" name="copy" value=(format!("{}/{}", key.region, key.name));
                            span { strong { (key.name) } " " span .muted { "in " (choice.regions.name(&key.region)) } }
                        }
                    }
                }
                button .quiet type="submit" name="do" value="copy" formnovalidate {
                    "Copy to " (choice.regions.name(&typed.region))
                }
            }
        }
        details .inner open[choice.keys.is_empty() || said.new_key.any() || !typed.public_key.is_empty()] {
            summary { "Add a public key here" }
            (Input { name: "key_name", label: "Key name", value: &typed.key_name,
                error: said.new_key.name.as_deref(), ..Input::default() }.render())
            (public_key_field("public_key", &typed.public_key, &said.new_key))
            button .quiet type="submit" name="do" value="add-key" formnovalidate { "Add this key" }
        }
    }
}
