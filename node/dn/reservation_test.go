package dn

import "testing"

// A call that rings at the DN that it has reserved takes it once, and another one that has it
// reserved, or is there, takes it too.
func TestTable_ACallTakesWhatItHasReservedOnce(t *testing.T) {
	for what, c := range map[string]struct {
		takes, calls int
		at           []string
		holds        []string
		taken        int32
		room         bool
	}{
		"reserved":                        {1, 0, nil, []string{"x"}, 1, false},
		"it rings":                        {1, 1, []string{"x"}, []string{"x"}, 1, false},
		"of two":                          {2, 0, nil, []string{"x"}, 1, true},
		"of two, it rings":                {2, 1, []string{"x"}, []string{"x"}, 1, true},
		"of two, another one is there":    {2, 1, nil, []string{"x"}, 2, false},
		"of two, reserved twice":          {2, 0, nil, []string{"x", "y"}, 2, false},
		"of two, both, one of them is up": {2, 1, []string{"y"}, []string{"x", "y"}, 2, false},
		"of three, so":                    {3, 1, []string{"y"}, []string{"x", "y"}, 2, true},
	} {
		tab := New(Config{
			Self: "a", Incarnation: 1,
			Uses:  func(Number) Uses { return Uses{Calls: int32(c.calls)} },
			Busy:  func(Number) bool { return c.calls >= c.takes },
			Takes: func(Number) int { return c.takes },
			At: func(_ Number, holder string) bool {
				for _, h := range c.at {
					if h == holder {
						return true
					}
				}
				return false
			},
		})
		tab.Register("1", Registered)
		amended(t, tab, "1", func(r *Record) {
			for _, h := range c.holds {
				r.Reserved = r.Reserved.With(Reservation{Holder: h, Left: 60e9})
			}
		})
		st, _ := tab.Get("1")
		if st.Taken != c.taken || st.Room != c.room || st.Routable(false) != c.room || int(st.Holds) != len(c.holds) {
			t.Errorf("%s: %+v", what, st)
		}
	}
}
