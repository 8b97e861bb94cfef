//! plain_services
