//! What the device may reach.

use std::sync::Mutex;

use super::bench::{Bench, Miniport, complete, extended, out, srb_data, word};
use crate::{
    abi::{codes::function_code as code, guest, srb::status},
    model::Direction,
};

/// A device address and the SRB of the command that is held, as the miniport saw them.
static HELD: Mutex<(u64, u64)> = Mutex::new((0, 0));

fn device_address(extension: u64, srb: u64) -> u64 {
    let list = super::bench::call("StorPortGetScatterGatherList", &[extension, srb]);
    guest::read(list + 16)
}

/// Keeps command 0xC0 until 0xC1 comes; the rest is completed at once.
struct Holding;
impl Miniport for Holding {
    fn start_io(extension: u64, srb: u64) -> bool {
        let scsi = super::bench::srb_function(srb) == crate::abi::srb::function::EXECUTE_SCSI;
        let opcode = scsi.then(|| guest::read::<u8>(srb_data(srb) + 24));
        let mut held = HELD.lock().unwrap();
        match opcode {
            Some(0xC0) => *held = (device_address(extension, srb), srb),
            Some(0xC1) => {
                complete(extension, held.1, status::SUCCESS);
                complete(extension, srb, status::SUCCESS);
            }
            _ => complete(extension, srb, status::SUCCESS),
        }
        true
    }
}

#[test]
fn data_is_the_devices_until_the_request_is_completed() {
    let bench = Bench::start::<Holding>();
    let mut request = bench.command(0xC0, 4096);
    request.direction = Direction::Out;
    let data = request.buffer.clone();
    bench.lab.submit(request, Box::new(|_| {}));
    super::bench::eventually("the request", || HELD.lock().unwrap().1 != 0);
    let (address, _) = *HELD.lock().unwrap();
    let watch = bench.lab.machine.dma_watch();
    watch.accessed(address, 512, false);
    assert!(bench.lab.violations().is_empty(), "it is lent");
    watch.accessed(address, 512, true);
    let broken = bench.lab.violations();
    assert_eq!(broken.len(), 1, "{broken:#?}");
    assert_eq!(broken[0].rule, "dma-against-direction");
    assert!(bench.execute(0xC1, 0).is_success());
    drop(data);
    watch.accessed(address + 100, 512, false);
    let broken = bench.lab.violations();
    let last = broken.last().expect("a violation");
    assert_eq!(last.rule, "dma-not-entitled");
    assert!(
        last.detail.contains("data buffer of the SCSI command 0xc0") && last.detail.contains("given back"),
        "{}",
        last.detail
    );
}

/// Frees its DMA memory.
struct Freeing;
impl Miniport for Freeing {
    fn find_adapter(extension: u64, _configuration: u64) -> u32 {
        let (mut memory, highest) = (0_u64, u64::MAX);
        let arguments = [8192, 0, highest, 0, 1, 0, out(&mut memory)];
        assert_eq!(
            extended(code::ALLOCATE_CONTIGUOUS_MEMORY, extension, &arguments),
            0
        );
        let mut length = 0_u32;
        let device = super::bench::call(
            "StorPortGetPhysicalAddress",
            &[extension, 0, memory, out(&mut length)],
        );
        guest::write(word(extension, 1), &[memory, device]);
        1
    }

    fn stop(extension: u64) -> bool {
        let [memory, _]: [u64; 2] = guest::read(word(extension, 1));
        extended(code::FREE_CONTIGUOUS_MEMORY, extension, &[memory, 8192, 1]) == 0
    }
}

#[test]
fn memory_is_the_devices_until_it_is_freed() {
    let bench = Bench::start::<Freeing>();
    let extension = bench.lab.machine.setup().extension;
    let [_, device]: [u64; 2] = guest::read(word(extension, 1));
    let watch = bench.lab.machine.dma_watch();
    watch.accessed(device, 8192, true);
    watch.accessed(device + 8000, 192, false);
    assert!(bench.lab.violations().is_empty(), "it is the driver's");
    watch.accessed(device + 8192 - 64, 128, true);
    assert_eq!(bench.lab.violations().len(), 1, "beyond its end");
    bench.lab.stop().expect("a stop");
    watch.accessed(device, 64, false);
    let broken = bench.lab.violations();
    let last = broken.last().expect("a violation");
    assert_eq!(last.rule, "dma-not-entitled");
    assert!(
        last.detail.contains("it was the contiguous memory")
            && last.detail.contains("StorPortFreeContiguous"),
        "{}",
        last.detail
    );
}
