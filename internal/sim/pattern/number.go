package pattern

import (
	"strconv"
	"strings"
)

// number is a JSON number that compares by value: 300, 300.0 and 3.0e2 are equal.
type number struct {
	canon  string // the same for equal numbers of any size
	micros int64  // millionths, when inRange
	// inRange says whether numeric operators see the number: -5e9 to 5e9 with at most 6 decimals.
	// Others, such as account ids, can only be matched exactly.
	inRange bool
}

const maxMicros = 5_000_000_000 * 1_000_000

// parseNumber reads a JSON number without ever computing with its exponent, which may be huge.
func parseNumber(s string) number {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(s), "e")
	sign := ""
	if rest, negative := strings.CutPrefix(mantissa, "-"); negative {
		sign, mantissa = "-", rest
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	figures := strings.TrimLeft(whole+fraction, "0")
	if figures == "" {
		return number{canon: "0", inRange: true}
	}
	exp := 0
	if exponent != "" {
		var err error
		if exp, err = strconv.Atoi(exponent); err != nil || exp > 1e9 || exp < -1e9 {
			return number{canon: s}
		}
	}
	exp -= len(fraction)
	short := strings.TrimRight(figures, "0")
	exp += len(figures) - len(short)
	n := number{canon: sign + short + "e" + strconv.Itoa(exp)}

	zeros := exp + 6
	if zeros < 0 || len(short)+zeros > 16 {
		return n
	}
	micros, err := strconv.ParseInt(sign+short+strings.Repeat("0", zeros), 10, 64)
	if err != nil || micros > maxMicros || micros < -maxMicros {
		return n
	}
	n.micros, n.inRange = micros, true
	return n
}
