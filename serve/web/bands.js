// A spectrum in bands of equal ratio, over the frequencies that the service hears.

export const BANDS = 96;
export const LOWEST_HZ = 60;
export const HIGHEST_HZ = 4000;

// The loudest bin of each band, lowest first; `spectrum` goes up to half the rate.
export function bandsOf(spectrum, rate, bands) {
  const bin = rate / 2 / spectrum.length; // Hz
  const edge = (band) => LOWEST_HZ * (HIGHEST_HZ / LOWEST_HZ) ** (band / bands);
  return Uint8Array.from({ length: bands }, (_, band) => {
    const first = Math.min(spectrum.length - 1, Math.round(edge(band) / bin));
    const last = Math.min(spectrum.length, Math.max(first + 1, Math.round(edge(band + 1) / bin)));
    return Math.max(...spectrum.subarray(first, last));
  });
}
