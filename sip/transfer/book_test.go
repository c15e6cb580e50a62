package transfer

import (
	"fmt"
	"testing"
	"time"
)

func TestBook_FindsWhatAPhoneWasAskedToCall(t *testing.T) {
	now := time.Unix(1000, 0)
	b := NewBook(4, func() time.Time { return now })
	if b.Take("1002", []byte("sip:1003@h")) != nil {
		t.Error("found in an empty book")
	}
	for uri, called := range map[string]string{
		"sip:1003@h":                          "sip:1003@h",
		"sip:1004@h;user=phone?Replaces=a%40": "sip:1004@H;transport=tcp",
		"sip:x-7%41@10.0.0.1:5070":            "sip:x-7A@10.0.0.1:5070",
	} {
		b.Add("1002", []byte(uri), []byte("word of "+uri))
		if b.Take("1001", []byte(called)) != nil || b.Take("1002", []byte("sip:1003@elsewhere")) != nil {
			t.Errorf("%s: found for another phone, or another place", uri)
		}
		if w := string(b.Take("1002", []byte(called))); w != "word of "+uri {
			t.Errorf("%s calls %s: %q", uri, called, w)
		}
	}
}

// TestBook_IsUsedOnceAndForgets: a word is for one call, for a while, and the last ones
// alone are kept.
func TestBook_IsUsedOnceAndForgets(t *testing.T) {
	now := time.Unix(1000, 0)
	b := NewBook(4, func() time.Time { return now })
	uri := func(i int) []byte { return fmt.Appendf(nil, "sip:%d@h;x=y", i) }
	for i := range 100 {
		b.Add("1002", uri(i), uri(i))
	}
	if n := len(b.young) + len(b.old); n > 8 {
		t.Errorf("%d are kept", n)
	}
	if string(b.Take("1002", []byte("sip:99@h"))) != string(uri(99)) || b.Take("1002", uri(99)) != nil || b.Take("1002", uri(0)) != nil {
		t.Error("not the last one once")
	}
	now = now.Add(lasts)
	if b.Take("1002", uri(98)) != nil {
		t.Error("it is kept for ever")
	}
}
