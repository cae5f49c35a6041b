use std::fmt::Write as _;

use super::Report;

impl Report {
    /// `report.md`.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let Self { resources, .. } = self;
        writeln!(text, "# {} on a {} at {} MHz\n", self.name, self.part, self.clock_mhz)?;
        writeln!(text, "| latency | | initiation interval | logic levels |\n|---:|---:|---:|---:|")?;
        writeln!(
            text,
            "| {} cycles | {:.1} ns | {} | {}, at most {} a cycle |\n",
            self.latency_cycles, self.latency_ns, self.initiation_interval, self.levels, self.levels_a_stage
        )?;
        writeln!(text, "| | LUT | FF | DSP | BRAM (36 kbit) |\n|---|---:|---:|---:|---:|")?;
        let Resources { luts, ffs, dsps, brams, .. } = resources;
        writeln!(text, "| used | {luts} | {ffs} | {dsps} | {brams} |")?;
        for usage in &self.usage {
            writeln!(
                text,
                "| of a {} | {:.2} % | {:.2} % | {:.2} % | {:.2} % |",
                usage.part.name,
                usage.luts_percent,
                usage.ffs_percent,
                usage.dsps_percent,
                usage.brams_percent
            )?;
        }
        writeln!(text, "\n{}\n", self.method)?;
        writeln!(text, "| layer | weights | of them zero | format |\n|---|---:|---:|---|")?;
        for layer in &self.weights {
            writeln!(
                text,
                "| {} | {} | {} | `{}` |",
                layer.layer, layer.weights, layer.pruned, layer.format
            )?;
        }
        writeln!(text, "\n| tensor | numbers | bits | format |\n|---|---:|---:|---|")?;
        for tensor in &self.tensors {
            writeln!(
                text,
                "| {} | {} | {} | `{}` |",
                tensor.tensor, tensor.elements, tensor.bits, tensor.format
            )?;
        }
        Ok(())
    }
}

use super::Resources;
