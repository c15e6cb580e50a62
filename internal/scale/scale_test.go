package scale

import (
	"testing"
	"time"
)

// judged is a test that notes that it failed.
type judged struct {
	testing.TB
	failed bool
}

func (j *judged) Helper()               {}
func (j *judged) Logf(string, ...any)   {}
func (j *judged) Errorf(string, ...any) { j.failed = true }

func TestFlat_TellsAWalkFromALook(t *testing.T) {
	for name, c := range map[string]struct {
		few, many time.Duration
		failed    bool
	}{
		"the same": {0, 0, false}, "a walk": {0, time.Millisecond, true}, "a long one": {time.Millisecond, 5 * time.Millisecond, true},
	} {
		j := &judged{TB: t}
		Flat(j, name, spin(c.few), spin(c.many))
		if j.failed != c.failed {
			t.Errorf("%s: failed is %v", name, j.failed)
		}
	}
}

func spin(d time.Duration) func() {
	return func() {
		for began := used(); used()-began < d; {
			continue
		}
	}
}
