package match

// outcome is the answer of a matcher about something that is known.
func outcome(matched bool) Outcome {
	if matched {
		return Yes
	}
	return No
}

// not turns Yes and No around; what is unknown stays so.
func (o Outcome) not() Outcome {
	switch o {
	case Yes:
		return No
	case No:
		return Yes
	}
	return o
}

// or is Yes where one of two is, and No where both are.
func (o Outcome) or(other Outcome) Outcome {
	switch {
	case o == Yes || other == Yes:
		return Yes
	case o == No && other == No:
		return No
	}
	return Unknown
}
