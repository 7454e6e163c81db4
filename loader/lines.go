package loader

import "fmt"

// lostLines counts the lines of a text that say nothing that its reader knows.
type lostLines struct {
	count, first int
	excerpt      string
}

func (l *lostLines) add(line int, text []byte) {
	if l.count == 0 {
		l.first, l.excerpt = line, excerpt(text)
	}
	l.count++
}

// err says what was passed over; nil if nothing was. want is the form that lines have.
func (l *lostLines) err(want string) error {
	if l.count == 0 {
		return nil
	}
	return fmt.Errorf("expected %s: lines passed over: %d, the first is line %d: %q", want, l.count, l.first, l.excerpt)
}
