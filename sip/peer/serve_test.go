package peer

import (
	"encoding/binary"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
)

// TestServe_RefusesWhomItDoesNotExpect, with a word.
func TestServe_RefusesWhomItDoesNotExpect(t *testing.T) {
	for name, x := range map[string]struct {
		greeting string
		from     dn.Node // by the certificate
		want     string  // the answer; "" for none
	}{
		"welcome":                  {"\x01\x00\x01a\x01b", "", "\x00"},
		"by its certificate":       {"\x01\x00\x01a\x01b", "a", "\x00"},
		"another version":          {"\x02\x00", "", "\x01"},
		"for another node":         {"\x01\x00\x01a\x01c", "", "\x02"},
		"not in the roster":        {"\x01\x00\x01x\x01b", "", "\x03"},
		"another's certificate":    {"\x01\x00\x01a\x01b", "c", "\x03"},
		"who is to be dialled":     {"\x01\x00\x01c\x01b", "", "\x04"},
		"a slot that is none":      {"\x01\xff\x01a\x01b", "", "\x04"},
		"an id of no length":       {"\x01\x00\x00\x01b", "", ""},
		"an id that is too long":   {"\x01\x00\x41", "", ""},
		"half a greeting, no more": {"\x01\x00\x01", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newSite(t, memory).node("b", "a", "c")
				ours, theirs := net.Pipe()
				defer ours.Close()
				go b.Serve(theirs, x.from)
				go func() { _, _ = ours.Write([]byte(x.greeting)) }()
				buf := make([]byte, 2)
				_ = ours.SetReadDeadline(time.Now().Add(2 * greetTime))
				n, err := ours.Read(buf)
				if string(buf[:n]) != x.want || (err != nil) != (x.want == "") {
					t.Fatalf("answered %q, %v", buf[:n], err)
				}
				synctest.Wait()
				if stands := b.Standing()["a"] == 1; stands != (x.want == "\x00") {
					t.Errorf("%v", b.Standing())
				}
			})
		})
	}
}

// TestServe_ALengthThatIsTooGreatEndsTheStream: nothing behind it can be found.
func TestServe_ALengthThatIsTooGreatEndsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSite(t, memory).node("b", "a")
		ours, theirs := net.Pipe()
		defer ours.Close()
		go b.Serve(theirs, "")
		if err := (greeting{0, "a", "b"}).dialled(ours); err != nil {
			t.Fatal(err)
		}
		frames := binary.BigEndian.AppendUint32(appendFrame(nil, []byte("good")), MaxMessage+1)
		if _, err := ours.Write(frames); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		b.gets("a", "good")
		if n := b.Standing()["a"]; n != 0 {
			t.Errorf("%d streams stand", n)
		}
	})
}

// TestServe_ANewStreamTakesTheSlotOfTheOld: who dials knows that that has ended.
func TestServe_ANewStreamTakesTheSlotOfTheOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSite(t, memory).node("b", "a")
		var last net.Conn
		for range 3 {
			ours, theirs := net.Pipe()
			defer ours.Close()
			go b.Serve(theirs, "")
			if err := (greeting{4, "a", "b"}).dialled(ours); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			last = ours
		}
		synctest.Wait()
		if n := b.Standing()["a"]; n != 1 {
			t.Errorf("%d streams stand", n)
		}
		b.says("a", 4, "to the new one")
		buf := make([]byte, 64)
		n, err := last.Read(buf)
		if err != nil || string(buf[frameHead:n]) != "to the new one" {
			t.Errorf("%q, %v", buf[:n], err)
		}
	})
}
