package rules

import (
	"fmt"
	"regexp"
	"strconv"
)

// minor is the part of a version of Istio that skew and support go by, such as 1.25.
type minor struct{ major, minor int }

var minorVersion = regexp.MustCompile(`^v?(\d{1,4})\.(\d{1,4})\b`)

// parseMinor reads "1.25.0", "1.25-alpha.1" or "1.25.0-asm.3". A version of another
// kind, such as a vendor's own, is no minor of Istio.
func parseMinor(version string) (minor, bool) {
	m := minorVersion.FindStringSubmatch(version)
	if m == nil {
		return minor{}, false
	}
	// Up to four digits always fit.
	major, _ := strconv.Atoi(m[1])
	n, _ := strconv.Atoi(m[2])
	return minor{major, n}, true
}

func (m minor) String() string { return fmt.Sprintf("%d.%d", m.major, m.minor) }
