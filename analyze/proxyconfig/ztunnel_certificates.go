package proxyconfig

import (
	"cmp"
	"math/big"
	"time"

	"github.com/meshray/meshray/analyze/mesh"
)

// ZtunnelCertificateRow is one certificate of an identity as ztunnel-config
// certificate shows it.
type ZtunnelCertificateRow struct {
	*mesh.ZtunnelCertificate
	// Type is "Leaf", "Intermediate" or "Root"; "NA" where ztunnel holds none.
	Type string
	// Status is State without the reason.
	Status string
	// Valid is "true" or "false" by the time that was asked for, or "unknown"
	// where that decides and is not known.
	Valid string
	// Serial is hexadecimal; NotAfter and NotBefore are as captured, "NA" where
	// the dump has none.
	Serial, NotAfter, NotBefore string
}

const notAvailable = "NA"

// ZtunnelCertificates returns the certificates in the order of the dump, one row
// for each in a chain, and one for an identity that has no chain. Validity is judged at asOf; the zero time stands for a
// capture that does not know its own.
func ZtunnelCertificates(d *mesh.ZtunnelDump, asOf time.Time) []ZtunnelCertificateRow {
	var rows []ZtunnelCertificateRow
	for _, c := range d.Certificates {
		status := c.State
		if c.Unavailable() {
			status = "Unavailable"
		}
		if len(c.Chain) == 0 {
			rows = append(rows, ZtunnelCertificateRow{
				ZtunnelCertificate: c, Type: notAvailable, Status: status, Valid: "false",
				Serial: notAvailable, NotAfter: notAvailable, NotBefore: notAvailable,
			})
			continue
		}
		add := func(kind string, x mesh.ZtunnelX509) {
			rows = append(rows, ZtunnelCertificateRow{
				ZtunnelCertificate: c, Type: kind, Status: status, Valid: validAt(x, asOf), Serial: hexSerial(x.SerialNumber),
				NotAfter: cmp.Or(x.ExpirationTime, notAvailable), NotBefore: cmp.Or(x.ValidFrom, notAvailable),
			})
		}
		for i, x := range c.Chain {
			add(chainType(c, i), x)
		}
		for _, x := range c.Roots {
			add("Root", x)
		}
	}
	return rows
}

func chainType(c *mesh.ZtunnelCertificate, i int) string {
	switch {
	case i == 0:
		return "Leaf"
	case i == len(c.Chain)-1 && len(c.Roots) == 0:
		return "Root"
	}
	return "Intermediate"
}

// validAt leaves the answer open only where it depends on a time that nobody
// knows: a certificate that expires before it begins is never valid.
func validAt(x mesh.ZtunnelX509, asOf time.Time) string {
	from, until, known := x.Validity()
	switch {
	case !known || !from.Before(until):
		return "false"
	case asOf.IsZero():
		return "unknown"
	case asOf.After(from) && asOf.Before(until):
		return "true"
	}
	return "false"
}

// hexSerial returns a decimal serial number in hexadecimal; what is no number
// stays as it is. RFC 5280 allows 20 octets, which are 49 digits.
func hexSerial(decimal string) string {
	const longest = 60
	if decimal == "" {
		return notAvailable
	}
	if len(decimal) > longest {
		return decimal
	}
	n, ok := new(big.Int).SetString(decimal, 10)
	if !ok {
		return decimal
	}
	return n.Text(16)
}
