package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/sipcluster/sipcluster/sip/siptest"
)

// phone is a program of scenes: phone DN PASSWORD DOMAIN SERVER registers and answers each
// call after it has rung; with a number at the end it calls that, says how that ended, and
// keeps the call. It lasts until it is killed.
func phone(args []string) error {
	ctx := context.Background()
	ua, err := siptest.NewUA(siptest.Config{DN: args[0], Password: args[1], Domain: args[2], Server: args[3]})
	if err != nil {
		return err
	}
	if err := accepted(ua.Register(ctx, time.Minute)); err != nil {
		return err
	}
	fmt.Println("registered")
	if len(args) == 5 {
		call, err := ua.Place(ctx, "sip:"+args[4]+"@"+args[2])
		if err != nil {
			return err
		}
		go func() {
			if _, err := call.Await(ctx, 200); err == nil {
				fmt.Println("answered", call.Ack() == nil)
			}
		}()
	}
	for {
		call, err := ua.Take(ctx)
		if err != nil {
			return err
		}
		if err := call.Ring(); err != nil {
			return err
		}
		if err := call.Answer(); err != nil {
			return err
		}
	}
}

func bePhone() {
	if err := phone(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitFailed)
	}
}
