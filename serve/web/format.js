// Numbers in words; times are seconds.

const MINUS = "−";

// 63.42 → "1:03", with one decimal "1:03.4"; from an hour on "1:02:03".
export function clock(seconds, decimals = 0) {
  const unit = 10 ** decimals;
  const size = Math.round(Math.abs(seconds) * unit) / unit;
  const sign = seconds < 0 && size > 0 ? MINUS : "";
  const hours = Math.floor(size / 3600);
  const minutes = Math.floor((size % 3600) / 60);
  const rest = (size % 60).toFixed(decimals).padStart(decimals ? 3 + decimals : 2, "0");
  return hours ? `${sign}${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${sign}${minutes}:${rest}`;
}

// A probability; what is nearly sure is never called certain.
export function percent(share) {
  if (share >= 0.9995) return "> 99.9 %";
  if (share <= 0.0005) return "< 0.1 %";
  return `${(share * 100).toFixed(1)} %`;
}

// 1.02 → "2.0 % faster".
export function speedOf(speed) {
  const faster = (speed - 1) * 100;
  if (Math.abs(faster) < 0.5) return "as recorded";
  return `${Math.abs(faster).toFixed(1)} % ${faster > 0 ? "faster" : "slower"}`;
}

// −1 → "1.0 semitones lower".
export function pitchOf(semitones) {
  if (Math.abs(semitones) < 0.1) return "as recorded";
  return `${Math.abs(semitones).toFixed(1)} semitones ${semitones > 0 ? "higher" : "lower"}`;
}

// Without a title the name of the file; while names cannot be looked up, the number.
export const titleOf = (track) => track.title || track.uri?.split("/").pop() || `Track ${track.track_id}`;

// "Evening by The Harbour Band".
export const named = (track) => (track.artist ? `${titleOf(track)} by ${track.artist}` : titleOf(track));

export const byline = (track) => [track.artist, track.album].filter(Boolean).join(" · ");

// What tells a track from any other.
export const identity = (track) => [`track ${track.track_id}`, track.isrc, track.uri].filter(Boolean).join(" · ");

export const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
