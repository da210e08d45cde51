//! Which device it is, as the columns of the CSV have it.

use crate::common::processor;
use quarter::Context;

pub struct Device {
    pub name: String,
    pub driver: String,
    pub backend: String,
}

impl Device {
    pub fn of(ctx: &Context) -> Self {
        match ctx.wgpu() {
            Some((device, _)) => {
                let info = device.adapter_info();
                let driver = [info.driver.as_str(), info.driver_info.as_str()].join(" ").trim().to_owned();
                Self { name: info.name, driver, backend: info.backend.to_string() }
            }
            None => Self { name: processor(), driver: ctx.name(), backend: "cpu".to_owned() },
        }
    }
}
