package call

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sipcluster/sipcluster/node/dn"
)

// Limits of what a call may carry.
const (
	// MaxNumber is the greatest length of a number as shown, in bytes.
	MaxNumber = 128
	// MaxUserData is how many pairs a call has at most, MaxKey the length of a
	// key and MaxUserDataBytes that of all keys and values.
	MaxUserData      = 128
	MaxKey           = 128
	MaxUserDataBytes = 16 << 10
	// maxTime is the first of the year 2200, as for claims.
	maxTime = 7_258_118_400_000_000_000
)

// CheckUserData says what is wrong with user data.
func CheckUserData(m map[string]string) error {
	if len(m) > MaxUserData {
		return fmt.Errorf("user data has %d pairs: at most %d", len(m), MaxUserData)
	}
	n := 0
	for k, v := range m {
		n += len(k) + len(v)
		if k == "" || len(k) > MaxKey || !utf8.ValidString(k) || !utf8.ValidString(v) {
			return fmt.Errorf("user data %.40q: want a key of 1 to %d bytes, and UTF-8", k, MaxKey)
		}
	}
	if n > MaxUserDataBytes {
		return fmt.Errorf("user data has %d bytes: at most %d", n, MaxUserDataBytes)
	}
	return nil
}

// shown makes any text a number that can be shown and sent.
func shown(s string) string {
	clean := strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) {
			return -1
		}
		return r
	}, s[:min(len(s), 4*MaxNumber)])
	for len(clean) > MaxNumber {
		_, n := utf8.DecodeLastRuneInString(clean)
		clean = clean[:len(clean)-n]
	}
	return clean
}

func soundTime(ns int64) bool { return 0 < ns && ns <= maxTime }

func (i *Info) sound() bool {
	return dn.ValidNumber(string(i.Caller)) && i.Type < types && soundTime(i.Began) &&
		shown(i.ANI) == i.ANI && shown(i.DNIS) == i.DNIS && CheckUserData(i.UserData) == nil && (i.LastQueue == "" || dn.ValidNumber(string(i.LastQueue))) && i.Transfer.sound()
}

// sound tells whether a peer may say that.
func (e *Event) sound() bool {
	return e.Call.Valid() && len(e.Of) <= 255 && (e.Kind <= Dialing || e.Kind == DataChanged || e.Kind == Held || e.Kind == Retrieved || e.Kind.Waiting() && e.Role == Called) && e.Role < roles && soundTime(e.Time) && dn.ValidNumber(string(e.ThisDN)) &&
		len(e.Why) <= MaxWhy && shown(e.OtherDN) == e.OtherDN && 0 <= e.Cause && e.Cause <= 699 && (e.Info == nil || e.Info.sound())
}

// sound tells whether a peer may have that call. Its caller comes first.
func (c *Call) sound() bool {
	if !c.ID.Valid() || c.Info == nil || !c.Info.sound() || len(c.Parties) == 0 || len(c.Parties) > MaxParties {
		return false
	}
	if q := c.Queue; q != nil && (!dn.ValidNumber(string(q.RP)) || shown(q.Group) != q.Group || !soundTime(q.Since)) {
		return false
	}
	for i := range c.Parties {
		p := &c.Parties[i]
		fits := p.Role == Called && (p.State == StateRinging || p.State == StateEstablished)
		if i == 0 && p.Role == Caller { // or it has handed the call over
			fits = p.DN == c.Caller && (p.State == StateDialing || p.State == StateEstablished)
		}
		if p.HeldSince != 0 && (p.State != StateEstablished || !soundTime(p.HeldSince)) {
			return false
		}
		if len(p.At) > 255 || !fits || !dn.ValidNumber(string(p.DN)) || !soundTime(p.Since) || shown(p.Other) != p.Other || c.find(p.DN, p.Role) != i {
			return false
		}
	}
	return true
}
