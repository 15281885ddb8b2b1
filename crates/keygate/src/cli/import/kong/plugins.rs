//! The plugins that apply to a route, and what they belong to.

use std::collections::BTreeSet;

use super::{
    document::{Document, Plugin, Reference, Route, Service},
    routes::WITHOUT_DECISION,
};

pub(super) fn matches_service(reference: &Reference, service: &Service) -> bool {
    reference.is(&[&service.id, &service.name])
}

/// The plugins of a route: of each name the one of the route, else of its service, else of all.
pub(super) fn effective_plugins<'d>(
    document: &'d Document,
    service: Option<&'d Service>,
    route: &'d Route,
) -> Vec<&'d Plugin> {
    let of_consumer =
        |plugin: &&Plugin| plugin.consumer.is_some() || plugin.consumer_group.is_some();
    let (mut of_route, mut of_service, mut of_all) = (Vec::new(), Vec::new(), Vec::new());
    of_route.extend(&route.plugins);
    of_service.extend(service.iter().flat_map(|service| &service.plugins));
    for plugin in &document.plugins {
        match (&plugin.route, &plugin.service) {
            (Some(reference), _) if reference.is(&[&route.id, &route.name]) => {
                of_route.push(plugin);
            }
            (None, Some(reference)) if service.is_some_and(|it| matches_service(reference, it)) => {
                of_service.push(plugin);
            }
            (None, None) => of_all.push(plugin),
            _ => {}
        }
    }
    let mut effective: Vec<&Plugin> = Vec::new();
    for plugin in of_route.into_iter().chain(of_service).chain(of_all) {
        let is_other = !effective.iter().any(|it| it.name == plugin.name);
        if is_other && plugin.enabled != Some(false) && !of_consumer(&plugin) {
            effective.push(plugin);
        }
    }
    effective
}

pub(super) fn plugin<'p>(plugins: &[&'p Plugin], name: &str) -> Option<&'p Plugin> {
    plugins.iter().find(|plugin| plugin.name == name).copied()
}

/// The entities that name another one that is not in the file.
pub(super) fn unresolved(document: &Document) -> Vec<String> {
    let services = &document.services;
    let is_service =
        |reference: &Reference| services.iter().any(|it| matches_service(reference, it));
    let nested = services.iter().flat_map(|service| &service.routes);
    let routes: Vec<_> = nested.chain(&document.routes).collect();
    let is_route = |reference: &Reference| {
        routes
            .iter()
            .any(|route| reference.is(&[&route.id, &route.name]))
    };
    let is_consumer = |reference: &Reference| document.consumer(reference).is_some();
    let lost = |reference: &Option<Reference>, is_known: &dyn Fn(&Reference) -> bool| {
        reference.as_ref().is_some_and(|it| !is_known(it))
    };
    let mut errors = Vec::new();
    for plugin in &document.plugins {
        if lost(&plugin.service, &is_service) || lost(&plugin.route, &is_route) {
            let name = &plugin.name;
            errors.push(format!(
                "the plugin `{name}` belongs to a service or a route that is not in the file"
            ));
        }
    }
    for route in &document.routes {
        if lost(&route.service, &is_service) {
            let name = route.name.as_deref().unwrap_or("without a name");
            errors.push(format!(
                "the route `{name}` belongs to a service that is not in the file"
            ));
        }
    }
    for group in &document.acls {
        if group.consumer.is_none() || lost(&group.consumer, &is_consumer) {
            let name = &group.group;
            errors.push(format!(
                "the group `{name}` of `acls` belongs to a consumer that is not in the file"
            ));
        }
    }
    errors
}

/// Plugins of one consumer: they may deny requests of that consumer alone.
pub(super) fn note_consumer_plugins(document: &Document, notes: &mut Vec<String>) {
    let nested = document.consumers.iter().flat_map(|it| &it.plugins);
    let flat = document.plugins.iter();
    let flat = flat.filter(|it| it.consumer.is_some() || it.consumer_group.is_some());
    let names = nested.chain(flat).map(|plugin| plugin.name.as_str());
    let names: BTreeSet<_> = names.filter(|it| !WITHOUT_DECISION.contains(it)).collect();
    for name in names {
        notes.push(format!(
            "the plugin `{name}` of individual consumers is ignored: check what it denies"
        ));
    }
}
