package refer

import (
	"errors"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

func TestMain(m *testing.M) { leftover.Main(m) }

// phones answer a REFER with these codes; 0: can't be sent to.
type phones struct {
	codes []int
	asked []*Request
}

type phone struct {
	all *phones
	i   int
}

func (p *phones) Ways(dn.Number) (list []Way) {
	for i := range p.codes {
		list = append(list, phone{p, i})
	}
	return list
}

func (p phone) At() (location.Transport, netip.Addr) {
	return location.UDP, netip.MustParseAddr("10.0.0.9")
}

func (p phone) Ask(r *Request, answered func(int, string)) error {
	p.all.asked = append(p.all.asked, r)
	if p.all.codes[p.i] == 0 {
		return errors.New("gone")
	}
	answered(p.all.codes[p.i], "x")
	return nil
}

func newReferrer(t *testing.T, p Phones, now func() time.Time) *Referrer {
	t.Helper()
	m, err := fsm.Open(fsm.Config{Path: filepath.Join(t.TempDir(), "config.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	hosts := &location.Hosts{}
	hosts.Set(location.Reach{location.UDP: "10.0.0.1:5060"}, location.Reach{})
	return New(Config{Machine: m, Phones: p, Hosts: hosts, Now: now})
}

// The next phone is asked when one takes no REFER, and the answer is the last one's.
func TestRefer_AsksThePhoneThatTakesIt(t *testing.T) {
	for _, c := range []struct {
		codes []int
		asked int
		want  []int
		err   bool
	}{
		{[]int{202}, 1, []int{202}, false},
		{[]int{405, 202}, 2, []int{202}, false},
		{[]int{501, 0, 200}, 3, []int{200}, false},
		{[]int{603, 202}, 1, []int{603}, false},
		{[]int{405, 420}, 2, []int{420}, false},
		{[]int{0}, 1, nil, true},
		{nil, 0, nil, true},
	} {
		p := &phones{codes: c.codes}
		var heard []int
		err := newReferrer(t, p, time.Now).Refer("1001", "*1#", func(w Word) { heard = append(heard, w.Code) })
		if len(p.asked) != c.asked || !slices.Equal(heard, c.want) || (err != nil) != c.err {
			t.Errorf("%v: asked %d, heard %v, %v", c.codes, len(p.asked), heard, err)
		}
		for _, r := range p.asked {
			if !strings.Contains(r.Lines, "Refer-To: <sip:*1%23@10.0.0.1:5060>\r\n") || !strings.Contains(r.Lines, "Contact: <sip:10.0.0.1:5060>\r\n") {
				t.Errorf("sent %q", r.Lines)
			}
		}
	}
}

func notify(callID, tag, body string) *message.Message {
	m := &message.Message{}
	_ = m.Parse([]byte("NOTIFY sip:10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1\r\nFrom: <sip:1001@x>;tag=p\r\nTo: <sip:c@x>;tag="+tag+
		"\r\nCall-ID: "+callID+"\r\nCSeq: 1 NOTIFY\r\nContent-Length: 0\r\n\r\n"), false)
	m.Body = []byte(body)
	return m
}

// A NOTIFY counts that nobody can have guessed, and what is no status line says nothing.
func TestNotify_IsThatOfThePhoneThatWasAsked(t *testing.T) {
	now := time.Unix(1, 0)
	p := &phones{codes: []int{202}}
	r := newReferrer(t, p, func() time.Time { return now })
	var heard []Word
	if err := r.Refer("1001", "1002", func(w Word) { heard = append(heard, w) }); err != nil {
		t.Fatal(err)
	}
	q := p.asked[0]
	_, tag, _ := strings.Cut(q.From, ";tag=")
	for _, c := range []struct {
		id, tag, body string
		ours          bool
		heard         int
	}{
		{"x", tag, "SIP/2.0 100 Trying\r\n", false, 1},
		{q.CallID, "x", "SIP/2.0 100 Trying\r\n", false, 1},
		{q.CallID, tag, "", true, 1},
		{q.CallID, tag, "SIP/2.0 99999 x", true, 1},
		{q.CallID, tag, "SIP/2.0 180 Ringing\r\n", true, 2},
		{q.CallID, tag, "SIP/2.0 486 Busy Here", true, 3},
	} {
		if ours := r.Notify(notify(c.id, c.tag, c.body)); ours != c.ours || len(heard) != c.heard {
			t.Errorf("%q: ours %v, heard %v", c.body, ours, heard)
		}
	}
	if last := heard[len(heard)-1]; last != (Word{true, 486, "Busy Here"}) {
		t.Errorf("heard %v", last)
	}
	now = now.Add(keep + time.Second)
	_ = r.Refer("1001", "1002", func(Word) {})
	if r.Notify(notify(q.CallID, tag, "SIP/2.0 200 OK")) || len(r.all) != 1 || len(r.old) != 1 {
		t.Errorf("%d are kept", len(r.all))
	}
	for range most + 10 {
		_ = r.Refer("1001", "1002", func(Word) {})
	}
	if len(r.all) != most || len(r.old) != most {
		t.Errorf("%d and %d are kept, at most %d", len(r.all), len(r.old), most)
	}
}
