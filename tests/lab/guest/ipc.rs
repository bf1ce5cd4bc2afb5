//! Claims about the template `ipc`.

use nix::{errno::Errno, libc};
use serde_json::{Value, json};

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    same,
    shell::Shell,
    task::{self, Deed, Identity, ME, REFUSED, Task, exit_code},
};

const KEY: i32 = 0x6b72_7369;
const MODE: i32 = 0o600;

/// One of the three, with the calls that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Object {
    Shm,
    Msg,
    Sem,
}

fn outcome(result: i32) -> Result<i32, Errno> {
    Errno::result(result)
}

impl Object {
    fn name(self) -> &'static str {
        match self {
            Object::Shm => "shm",
            Object::Msg => "msg",
            Object::Sem => "sem",
        }
    }

    fn get(self, flags: i32) -> Result<i32, Errno> {
        // SAFETY: calls without pointers.
        outcome(unsafe {
            match self {
                Object::Shm => libc::shmget(KEY, if flags == 0 { 0 } else { 4096 }, flags),
                Object::Msg => libc::msgget(KEY, flags),
                Object::Sem => libc::semget(KEY, i32::from(flags != 0), flags),
            }
        })
    }

    fn control(self, id: i32, command: i32) -> Result<i32, Errno> {
        // More than any of the structures that the kernel writes there.
        let mut room = [0_u64; 64];
        let room = room.as_mut_ptr();
        // SAFETY: there is room for what the kernel writes.
        outcome(unsafe {
            match self {
                Object::Shm => libc::shmctl(id, command, room.cast()),
                Object::Msg => libc::msgctl(id, command, room.cast()),
                Object::Sem => libc::semctl(id, 0, command, room),
            }
        })
    }

    /// A new one, of the suite's.
    fn made(self) -> Result<i32, String> {
        self.remove();
        self.get(libc::IPC_CREAT | libc::IPC_EXCL | MODE).map_err(|e| format!("{self:?}: {e}"))
    }

    fn remove(self) {
        if let Ok(id) = self.get(0) {
            let _ = self.control(id, libc::IPC_RMID);
        }
    }

    fn creating(self) -> Result<Performed, String> {
        self.remove();
        let task = by(&ACTOR, || self.get(libc::IPC_CREAT | MODE))?;
        self.remove();
        Ok(Performed { task, tells: self.about("create", json!({"id": 0})) })
    }

    fn getting(self) -> Result<Performed, String> {
        let id = self.made()?;
        Ok(Performed { task: by(&ACTOR, || self.get(0))?, tells: self.about("get", json!({"id": id})) })
    }

    fn controlling(self) -> Result<Performed, String> {
        let id = self.made()?;
        let tells = self.about("control", json!({"id": id, "command": libc::IPC_STAT}));
        Ok(Performed { task: by(&ACTOR, || self.control(id, libc::IPC_STAT))?, tells })
    }

    /// What an event says; it belongs to root.
    fn about(self, action: &str, said: Value) -> Value {
        let mut tells = json!({
            "object": self.name(), "action": action, "key": KEY, "owner": 0, "permissions": MODE, "command": 0, "flags": 0,
        });
        for (field, value) in said.as_object().into_iter().flatten() {
            tells[field] = value.clone();
        }
        tells
    }
}

fn by(identity: &Identity, deed: impl FnOnce() -> Result<i32, Errno>) -> Result<Task, String> {
    task::perform(identity, || exit_code(deed().map(drop)))
}

fn attach(id: i32) -> Result<i32, Errno> {
    // SAFETY: memory where the kernel likes, which goes with the process.
    let at = unsafe { libc::shmat(id, std::ptr::null(), libc::SHM_RDONLY) };
    if at as isize == -1 { Err(Errno::last()) } else { Ok(0) }
}

/// A message of no bytes.
const MESSAGE: [libc::c_long; 2] = [1, 0];

fn send(id: i32) -> Result<i32, Errno> {
    // SAFETY: a message of its type alone.
    outcome(unsafe { libc::msgsnd(id, MESSAGE.as_ptr().cast(), 0, libc::IPC_NOWAIT) })
}

fn receive(id: i32) -> Result<i32, Errno> {
    let mut message = MESSAGE;
    // SAFETY: room for a message of its type alone.
    let received = unsafe { libc::msgrcv(id, message.as_mut_ptr().cast(), 0, 0, libc::IPC_NOWAIT) };
    Errno::result(received).map(|_| 0)
}

fn operate(id: i32) -> Result<i32, Errno> {
    let mut up = libc::sembuf { sem_num: 0, sem_op: 1, sem_flg: 0 };
    // SAFETY: one operation.
    outcome(unsafe { libc::semop(id, &mut up, 1) })
}

pub const CASE: Case = Case {
    template: "ipc",
    params: "",
    prepare: || Ok(()),
    acts: &[
        Act::new("making shared memory", "shm_alloc_security", || Object::Shm.creating()),
        Act::new("getting shared memory", "shm_associate", || Object::Shm.getting()),
        Act::new("attaching it", "shm_shmat", || {
            let id = Object::Shm.made()?;
            let tells = Object::Shm.about("attach", json!({"id": id, "flags": libc::SHM_RDONLY}));
            Ok(Performed { task: by(&ACTOR, || attach(id))?, tells })
        }),
        Act::new("asking about it", "shm_shmctl", || Object::Shm.controlling()),
        Act::new("making a queue", "msg_queue_alloc_security", || Object::Msg.creating()),
        Act::new("getting a queue", "msg_queue_associate", || Object::Msg.getting()),
        Act::new("sending", "msg_queue_msgsnd", || {
            let id = Object::Msg.made()?;
            let tells = Object::Msg.about("send", json!({"id": id, "flags": libc::IPC_NOWAIT}));
            Ok(Performed { task: by(&ACTOR, || send(id))?, tells })
        }),
        Act {
            // The message is passed over.
            refusal: |_| Errno::ENOMSG,
            ..Act::new("receiving", "msg_queue_msgrcv", || {
                let id = Object::Msg.made()?;
                send(id).map_err(|e| e.to_string())?;
                let tells = Object::Msg.about("receive", json!({"id": id}));
                Ok(Performed { task: by(&ACTOR, || receive(id))?, tells })
            })
        },
        Act::new("asking about a queue", "msg_queue_msgctl", || Object::Msg.controlling()),
        Act::new("making semaphores", "sem_alloc_security", || Object::Sem.creating()),
        Act::new("getting semaphores", "sem_associate", || Object::Sem.getting()),
        Act::new("changing one", "sem_semop", || {
            let id = Object::Sem.made()?;
            let tells = Object::Sem.about("operate", json!({"id": id}));
            Ok(Performed { task: by(&ACTOR, || operate(id))?, tells })
        }),
        Act::new("asking about semaphores", "sem_semctl", || Object::Sem.controlling()),
    ],
};

pub fn foreign() -> Outcome {
    let shell = Shell::ready(&format!(
        "probe(\"ipc\", #{{object: [\"shm\", \"sem\"], foreign: true}}).scope(#{{pid: {}}}).deny(\"EPERM\").name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))?;
    let id = Object::Shm.made()?;
    let queue = Object::Msg.made()?;
    let other = Identity { uid: 1000, gid: 1000, privileged: true, ..ME };
    same("another user's", by(&other, || attach(id))?.deed, REFUSED)?;
    same("one's own", by(&ME, || attach(id))?.deed, Deed::Done)?;
    same("another user's queue", by(&other, || send(queue))?.deed, Deed::Done)?;
    Object::Shm.remove();
    Object::Msg.remove();
    shell.stop()?.well()
}
