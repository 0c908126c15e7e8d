//! Amounts on the command line: a number of the smallest unit, or one with a greater unit.

/// A unit: its name, and how many decimals it has.
pub(crate) type Unit = (&'static str, usize);

/// Reads an amount in the smallest unit, which stands alone or is one of the `units`.
///
/// # Errors
/// `form` for what is no amount; a word about amounts that are too fine or too large.
pub(crate) fn parse(
    text: &str,
    units: &[Unit],
    smallest: &str,
    form: &str,
) -> Result<u128, String> {
    let with_unit = units
        .iter()
        .find_map(|(unit, decimals)| Some((text.strip_suffix(unit)?.trim(), *decimals)));
    let (digits, decimals) = with_unit.unwrap_or((text, 0));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
        return Err(form.to_owned());
    }
    if fraction.len() > decimals || digits.ends_with('.') {
        return Err(format!("an amount has no parts of a {smallest}"));
    }
    let padded = format!("{whole}{fraction:0<decimals$}");
    padded
        .parse()
        .map_err(|_| format!("an amount is at most 2^128 - 1 {smallest}"))
}

/// As [`parse`], for chains whose amounts have 64 bits.
///
/// # Errors
/// As [`parse`].
pub(crate) fn parse_u64(
    text: &str,
    units: &[Unit],
    smallest: &str,
    form: &str,
) -> Result<u64, String> {
    let amount = parse(text, units, smallest, form)?;
    u64::try_from(amount).map_err(|_| format!("an amount is at most 2^64 - 1 {smallest}"))
}
