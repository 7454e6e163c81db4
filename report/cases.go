package report

import "fmt"

// Case is one check and how it went, for writers that CI systems read.
type Case struct {
	// Suite groups cases: the file they stand in, or the proxy.
	Suite Text
	Name  Text
	// File and Line are where the case is written; Line 0 where it is not known.
	File Text
	Line int
	// Failure says what is wrong, a line each; empty for a case that passed.
	Failure []Text
	// Skipped says why the case could not be judged; empty where it was.
	Skipped Text
	// Output is worth reading and no failure, a line each.
	Output []Text
}

func (c Case) failed() bool { return len(c.Failure) > 0 }

// message is the first line of the failure, with the number of the others.
func (c Case) message() string {
	if len(c.Failure) == 1 {
		return c.Failure[0].String()
	}
	return fmt.Sprintf("%s (and %d more)", c.Failure[0], len(c.Failure)-1)
}
