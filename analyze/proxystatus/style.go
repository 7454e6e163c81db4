package proxystatus

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Style is the generation of istioctl whose table is printed.
type Style string

// Default prints the columns of istioctl 1.24 with all rows: those of istioctl
// from 1.27 on no longer show which type is stale.
const Default Style = "default"

// Styles are the values of --style. Each number is the first version of istioctl
// that prints these columns.
func Styles() []Style {
	return []Style{Default, "1.0", "1.1", "1.4", "1.7", "1.13", "1.14", "1.20", "1.24", "1.27"}
}

// minor is the minor version of a style; the default is its own generation.
func (s Style) minor() int {
	n := 0
	if _, err := fmt.Sscanf(string(s), "1.%d", &n); err != nil {
		return 24
	}
	return n
}

// Lists reports whether a table of this style has the row: istioctl knows only
// what an istiod's sync state has.
func (s Style) Lists(r *Row) bool { return s == Default || r.Link == SyncKnown }

// column is a column of the table.
type column struct {
	header string
	cell   func(*Row) string
}

// Cells returns the table with its header as the first row.
func (t *Table) Cells(style Style) [][]string {
	columns := style.columns()
	header := make([]string, len(columns))
	for i, c := range columns {
		header[i] = c.header
	}
	cells := [][]string{header}
	for i := range t.Rows {
		r := &t.Rows[i]
		if !style.Lists(r) {
			continue
		}
		row := make([]string, len(columns))
		for j, c := range columns {
			row[j] = c.cell(r)
		}
		cells = append(cells, row)
	}
	return cells
}

func (s Style) columns() []column {
	minor := s.minor()
	name, istiod := "NAME", "ISTIOD"
	if minor == 0 {
		name = "PROXY"
	}
	if minor < 7 {
		istiod = "PILOT"
	}
	out := []column{{name, (*Row).Proxy}}
	if minor >= 13 {
		out = append(out, column{"CLUSTER", func(r *Row) string { return r.Cluster }})
	}
	if minor < 27 {
		out = append(out, s.typeColumns()...)
	}
	out = append(out, column{istiod, s.istiod}, column{"VERSION", s.version})
	if minor >= 27 {
		out = append(out, column{"SUBSCRIBED TYPES", subscribed})
	}
	return out
}

func (s Style) typeColumns() []column {
	var out []column
	for _, short := range columnTypes() {
		if short == "ECDS" && s.minor() < 14 {
			continue
		}
		out = append(out, column{short, func(r *Row) string { return s.typeCell(r, r.Type(short)) }})
	}
	return out
}

func (s Style) typeCell(r *Row, t TypeStatus) string {
	minor := s.minor()
	switch {
	case s == Default:
		return t.Text()
	case minor >= 24:
		return xdsCell(t)
	case minor >= 20 && r.ProxyType == "ztunnel" && t.Sent == "":
		return string(Ignored)
	case minor >= 4:
		return nonceCell(t)
	case t.Type != "EDS":
		return timedCell(t, minor)
	}
	return fmt.Sprintf("%s (%d%%)", timedCell(t, minor), max(t.Percent, 0))
}

// Text is the state with its age, "STALE (2m5s)", as in istioctl since 1.24.
func (t TypeStatus) Text() string {
	if t.Age < 0 || t.State == NotSent || t.State == Ignored || t.State == Unknown {
		return string(t.State)
	}
	return fmt.Sprintf("%s (%s)", t.State, Age(t.Age))
}

// xdsCell is the cell since istioctl 1.24, which asks for ClientConfigs: a type
// that is not in them is ignored.
func xdsCell(t TypeStatus) string {
	if t.Sent == "" && t.Status == "" {
		return string(Ignored)
	}
	t.State = t.Reported
	return t.Text()
}

// nonceCell is the cell since istioctl 1.4, which compares nonces only.
func nonceCell(t TypeStatus) string {
	switch {
	case t.Status != "":
		return string(t.Reported)
	case t.Sent == "":
		return string(NotSent)
	case t.Sent == t.Acked:
		return string(Synced)
	case t.Acked == "":
		return "STALE (Never Acknowledged)"
	}
	return string(Stale)
}

// timedCell is the cell up to istioctl 1.3, when nonces were times.
func timedCell(t TypeStatus, minor int) string {
	cell := nonceCell(t)
	if !strings.HasPrefix(cell, string(Stale)) || t.Status != "" {
		return cell
	}
	switch {
	case minor == 0:
		return string(Stale)
	case t.AckedAt.IsZero():
		return "STALE (Never Acknowledged)"
	}
	return fmt.Sprintf("%s (%s)", Stale, t.SentAt.Sub(t.AckedAt))
}

func (s Style) istiod(r *Row) string {
	if r.Link == NotConnected || r.Link == NoIstiod {
		return "<" + string(r.Link) + ">"
	}
	return r.Istiod
}

func (s Style) version(r *Row) string {
	minor := s.minor()
	switch {
	case minor == 0:
		return r.ProxyVersion
	case r.IstioVersion == "" && minor >= 4 && minor < 24:
		return r.ProxyVersion + "*"
	}
	return r.Version()
}

// subscribed is "4 (CDS,LDS,EDS,RDS)": the types that were asked for.
func subscribed(r *Row) string {
	var types []string
	for _, t := range r.Types {
		if (t.Sent != "" || t.Status != "") && !slices.Contains(types, t.Type) {
			types = append(types, t.Type)
		}
	}
	if len(types) == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (%s)", len(types), strings.Join(types, ","))
}

// Age words a duration as kubectl and istioctl do: "12s", "4m30s", "3h", "2d4h".
func Age(d time.Duration) string {
	seconds, minutes, hours := int(d/time.Second), int(d/time.Minute), int(d/time.Hour)
	const day, year = 24, 24 * 365
	switch {
	case seconds < 2*60:
		return fmt.Sprintf("%ds", seconds)
	case minutes < 10:
		return units(minutes, "m", seconds%60, "s")
	case minutes < 3*60:
		return fmt.Sprintf("%dm", minutes)
	case hours < 8:
		return units(hours, "h", minutes%60, "m")
	case hours < 2*day:
		return fmt.Sprintf("%dh", hours)
	case hours < 8*day:
		return units(hours/day, "d", hours%day, "h")
	case hours < 2*year:
		return fmt.Sprintf("%dd", hours/day)
	case hours < 8*year:
		return units(hours/year, "y", hours/day%365, "d")
	}
	return fmt.Sprintf("%dy", hours/year)
}

// units drops the smaller unit where it is zero.
func units(large int, largeUnit string, small int, smallUnit string) string {
	if small == 0 {
		return fmt.Sprintf("%d%s", large, largeUnit)
	}
	return fmt.Sprintf("%d%s%d%s", large, largeUnit, small, smallUnit)
}
