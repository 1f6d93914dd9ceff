//! The parameters that two calls share.

use serde::Deserialize;
use utoipa::IntoParams;
use velodrome_dataflows::ClassId;

#[derive(Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct ClassParams {
    /// The class.
    #[param(example = 1)]
    pub(super) class_id: ClassId,
}
